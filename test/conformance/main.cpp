#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "backend/registry.hpp"
#include "cases.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "onnx/reader.hpp"

/// Runs ONNX's backend tests through a backend of ours.
namespace presisi::conformance {
namespace {

constexpr const char* kUsage =
    "usage: presisi_conformance [folder] [--backend NAME] [--filter TEXT] [--libraries FOLDER] [--json] [--verbose]\n"
    "                           [--check FILE]\n"
    "  folder       where node/, simple/, ... lie (/usr/share/libonnx-testdata/data)\n"
    "  --backend    reference, cpu, ... (reference)\n"
    "  --filter     only cases whose name contains the text\n"
    "  --libraries  where backend libraries lie (the program's own folder)\n"
    "  --check      fail when the counts are not those that the JSON file expects of the backend\n"
    "  --verbose    list the skipped cases too\n";

struct Options {
  std::string folder = "/usr/share/libonnx-testdata/data";
  std::string backend = "reference";
  std::string filter, libraries, check;
  bool json = false, verbose = false;
};

enum class Outcome { Passed, Failed, Skipped };

struct Verdict {
  Outcome outcome = Outcome::Passed;
  std::string detail;
};

struct Counts {
  int passed = 0, failed = 0, skipped = 0;
};

Tensor readTensorFile(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return onnx::readTensor(file->data(), file->size());
}

/// Outside the set of operators, types and constructs that presisi takes on; what is inside must pass.
bool isOutside(const Error& error) {
  return error.code() == ErrorCode::UnsupportedOperator || error.code() == ErrorCode::UnsupportedModel;
}

/// Numpy has no bfloat16: the files hold such elements as uint16, bit for bit.
Tensor readAs(const std::filesystem::path& path, DType dtype) {
  Tensor tensor = readTensorFile(path);
  if (dtype != DType::Bfloat16 || tensor.dtype() != DType::Uint16) return tensor;
  const Dims dims = tensor.dims();
  const void* data = tensor.data<uint16_t>();
  return Tensor::view(dtype, dims, data, std::make_shared<Tensor>(std::move(tensor)));
}

/// CastLike's `like` gives its type only. Of bfloat16, the files have one element of it where their models declare
/// more.
Tensor fitLike(Tensor like, const Dims& declared) {
  const bool isStatic = std::all_of(declared.begin(), declared.end(), [](int64_t dim) { return dim >= 0; });
  return isStatic && like.dims() != declared ? Tensor(like.dtype(), declared) : like;
}

/// Why a case is left out whatever the backend does; empty for those that are run.
std::string reasonToSkip(const Case& test) {
  const auto has = [&](const char* text) { return test.name.find(text) != std::string::npos; };
  if (test.category != "node") return {};
  if (has("test_adagrad") || has("test_adam") || has("momentum")) return "training";
  return {};
}

std::string runDataSet(backend::Session& session, const backend::Engine& engine, const std::filesystem::path& folder) {
  backend::Feeds feeds;
  for (size_t i = 0; i < engine.inputs().size(); ++i) {
    const backend::TensorInfo& input = engine.inputs()[i];
    Tensor& feed = feeds[input.name];
    feed = readAs(folder / ("input_" + std::to_string(i) + ".pb"), input.dtype);
    if (input.name == "like") feed = fitLike(std::move(feed), input.dims);
  }
  const std::vector<Tensor> outputs = session.run(feeds);
  for (size_t i = 0; i < engine.outputs().size(); ++i) {
    const std::filesystem::path path = folder / ("output_" + std::to_string(i) + ".pb");
    if (!std::filesystem::exists(path)) continue;
    const std::string difference = compare(outputs.at(i), readAs(path, outputs.at(i).dtype()), {});
    if (!difference.empty()) return "output \"" + engine.outputs()[i].name + "\": " + difference;
  }
  return {};
}

Verdict runCase(const Case& test, backend::Backend& backend) {
  if (const std::string reason = reasonToSkip(test); !reason.empty()) return {Outcome::Skipped, reason};
  try {
    backend::BuildOptions options;
    options.maxBatch = 1 << 20;
    const auto engine = backend.build(onnx::readModel(test.model), options, {}, {});
    const auto session = engine->createSession({});
    for (const std::string& dataSet : test.dataSets) {
      const std::string difference = runDataSet(*session, *engine, dataSet);
      if (!difference.empty()) return {Outcome::Failed, difference};
    }
    return {};
  } catch (const Error& error) {
    std::string message = error.what();
    std::replace(message.begin(), message.end(), '\n', ' ');
    return {isOutside(error) ? Outcome::Skipped : Outcome::Failed, message};
  } catch (const std::exception& error) {
    return {Outcome::Failed, error.what()};
  }
}

const char* nameOf(Outcome outcome) {
  switch (outcome) {
    case Outcome::Passed: return "passed";
    case Outcome::Failed: return "failed";
    case Outcome::Skipped: return "skipped";
  }
  return "";
}

Options parse(int argc, char** argv) {
  Options options;
  const std::map<std::string, std::string*> texts = {{"--backend", &options.backend},
                                                     {"--filter", &options.filter},
                                                     {"--libraries", &options.libraries},
                                                     {"--check", &options.check}};
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (const auto it = texts.find(argument); it != texts.end()) {
      if (++i == argc) throw Error(ErrorCode::InvalidArgument, argument + " needs a value\n" + kUsage);
      *it->second = argv[i];
    } else if (argument == "--json") {
      options.json = true;
    } else if (argument == "--verbose") {
      options.verbose = true;
    } else if (argument.rfind("-", 0) == 0) {
      throw Error(ErrorCode::InvalidArgument, "unknown option " + argument + "\n" + kUsage);
    } else {
      options.folder = argument;
    }
  }
  if (options.libraries.empty()) {
    options.libraries = std::filesystem::read_symlink("/proc/self/exe").parent_path();
  }
  return options;
}

nlohmann::json toJson(const Counts& counts) {
  return {{"passed", counts.passed}, {"failed", counts.failed}, {"skipped", counts.skipped}};
}

/// Fails when the counts are not those of the file; it holds one object for each backend.
bool matches(const Options& options, const Counts& total) {
  const nlohmann::json all = nlohmann::json::parse(std::ifstream(options.check));
  const nlohmann::json expected = all.at(options.backend);
  const nlohmann::json found = toJson(total);
  if (expected == found) return true;
  std::fprintf(stderr, "%s: expected %s but found %s\n", options.backend.c_str(), expected.dump().c_str(),
               found.dump().c_str());
  return false;
}

int run(const Options& options) {
  backend::setLibraryFolder(options.libraries);
  backend::Backend& backend = backend::get(options.backend);
  std::map<std::string, Counts> categories;
  Counts total;
  nlohmann::json report = nlohmann::json::array();
  for (const Case& test : findCases(options.folder)) {
    if (test.name.find(options.filter) == std::string::npos) continue;
    const Verdict verdict = runCase(test, backend);
    for (Counts* counts : {&categories[test.category], &total}) {
      ++(verdict.outcome == Outcome::Passed   ? counts->passed
         : verdict.outcome == Outcome::Failed ? counts->failed
                                              : counts->skipped);
    }
    if (options.json) {
      report.push_back({{"category", test.category},
                        {"name", test.name},
                        {"outcome", nameOf(verdict.outcome)},
                        {"detail", verdict.detail}});
    } else if (verdict.outcome == Outcome::Failed || (options.verbose && verdict.outcome == Outcome::Skipped)) {
      std::printf("%s %s/%s: %s\n", nameOf(verdict.outcome), test.category.c_str(), test.name.c_str(),
                  verdict.detail.c_str());
    }
  }
  if (options.json) {
    std::printf(
        "%s\n",
        nlohmann::json{{"backend", options.backend}, {"total", toJson(total)}, {"cases", report}}.dump(2).c_str());
  } else {
    categories["total"] = total;
    for (const auto& [category, counts] : categories) {
      std::printf("%-20s %5d passed %5d failed %5d skipped\n", category.c_str(), counts.passed, counts.failed,
                  counts.skipped);
    }
  }
  if (!options.check.empty()) return matches(options, total) ? 0 : 1;
  return total.failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace presisi::conformance

int main(int argc, char** argv) {
  try {
    return presisi::conformance::run(presisi::conformance::parse(argc, argv));
  } catch (const presisi::Error& error) {
    std::fprintf(stderr, "%s\n%s\n", error.what(), error.hint().c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  return 2;
}
