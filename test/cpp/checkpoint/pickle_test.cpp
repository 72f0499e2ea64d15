#include "checkpoint/pickle.hpp"

#include <doctest/doctest.h>

#include "checkpoint/archive_builder.hpp"
#include "support/errors.hpp"

using namespace presisi;
using namespace presisi::test;
using checkpoint::pickle::Document;
using checkpoint::pickle::Kind;

namespace {

/// The bytes must outlive the document.
Document parse(const std::string& bytes) {
  return checkpoint::pickle::read({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, "test");
}

bool refusesByName(const std::string& name, const std::string& pickle) {
  return throwsError(ErrorCode::UnsupportedModel, name, [&] { parse(pickled::kProto + pickle); });
}

bool refuses(const std::string& text, const std::string& pickle) {
  return throwsError(ErrorCode::InvalidModel, text, [&] { parse(pickled::kProto + pickle); });
}

std::string repeat(const std::string& text, size_t times) {
  std::string all;
  all.reserve(text.size() * times);
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

std::string shortText(const std::string& text) {
  return "\x8c" + std::string(1, static_cast<char>(text.size())) + text;
}

}  // namespace

TEST_CASE("plain data of protocols 2 to 5") {
  const std::string bytes = std::string("\x80\x05\x95", 3) + std::string(8, '\0') + "(" + "N\x88\x89" + "K\x07" +
                            std::string("M\x01\x02", 3) + "J\xfe\xff\xff\xff" + std::string("\x8a\x00", 2) +
                            std::string("\x8a\x02\x00\x80", 4) + pickled::real(-2.5) + shortText("text") +
                            pickled::text("wide") + "C\x02hi" + "](K\x01K\x02" + "e" + "K\x03" + "a" + "}" +
                            shortText("k") + "Ns" + "\x8f(K\x01\x90" + "(K\x01\x91" + "t.";
  const Document document = parse(bytes);
  const auto& items = document.items(document.root());
  REQUIRE(items.size() == 16);
  CHECK(document[items[0]].kind == Kind::None);
  CHECK(document[items[1]].integer == 1);
  CHECK(document[items[2]].integer == 0);
  CHECK(document[items[3]].integer == 7);
  CHECK(document[items[4]].integer == 513);
  CHECK(document[items[5]].integer == -2);
  CHECK(document[items[6]].integer == 0);
  CHECK(document[items[7]].integer == -32768);
  CHECK(document[items[8]].real == -2.5);
  CHECK(document.text(items[9]) == "text");
  CHECK(document.text(items[10]) == "wide");
  CHECK(document[items[11]].kind == Kind::Bytes);
  CHECK(document.items(items[12]).size() == 3);
  CHECK(document.items(items[13]).size() == 2);
  CHECK(document[items[14]].kind == Kind::Opaque);
  CHECK(document[items[15]].kind == Kind::Opaque);
}

TEST_CASE("the memo shares values, and POP takes a mark where one is on top") {
  // [[], []], both the same list; beside it 1, which is thrown away, and a mark.
  const Document document =
      parse(std::string("\x80\x04]\x94(]\x94h\x01"
                        "K\x01"
                        "0e(0.",
                        16));
  const auto& items = document.items(document.root());
  REQUIRE(items.size() == 2);
  CHECK(items[0] == items[1]);
  CHECK(items[0] != document.root());
}

TEST_CASE("a global that isn't part of tensors is refused by name, wherever a pickle can put one") {
  const std::string command = pickled::tuple({pickled::text("touch /tmp/pwned")});
  const auto stackGlobal = [](const std::string& module, const std::string& name) {
    return pickled::text(module) + pickled::text(name) + "\x93";
  };
  for (const auto& target :
       std::vector<std::pair<std::string, std::string>>{{"os", "system"},
                                                        {"posix", "system"},
                                                        {"nt", "system"},
                                                        {"builtins", "eval"},
                                                        {"__builtin__", "exec"},
                                                        {"builtins", "getattr"},
                                                        {"subprocess", "Popen"},
                                                        {"torch.hub", "load"},
                                                        {"torch", "load"},
                                                        {"torch.jit", "load"},
                                                        {"torch._utils", "_rebuild_sparse_tensor"},
                                                        {"torch._utils", "_rebuild_tensor_v2.__globals__"},
                                                        {"numpy", "load"},
                                                        {"collections", "OrderedDict.__init__"},
                                                        {"argparse", "Namespace.__class__"},
                                                        {"operator", "attrgetter"},
                                                        {"", ""}}) {
    const std::string& module = target.first;
    const std::string& name = target.second;
    CAPTURE(module);
    CAPTURE(name);
    const std::string full = "the global \"" + module + "." + name + "\"";
    CHECK(refusesByName(full, pickled::global(module, name) + "."));
    CHECK(refusesByName(full, pickled::reduce(pickled::global(module, name), command) + "."));
    CHECK(refusesByName(full, stackGlobal(module, name) + command + "R."));
    CHECK(refusesByName(full, pickled::global(module, name) + command + "\x81."));
    CHECK(refusesByName(full, pickled::global(module, name) + ")}\x92."));
    CHECK(refusesByName(full, "(" + pickled::text("x") + "i" + module + "\n" + name + "\n."));
    CHECK(refusesByName(full, "(" + pickled::global(module, name) + pickled::text("x") + "o."));
    CHECK(refusesByName(full, "]" + pickled::global(module, name) + "b."));
    // Behind the value it would return, or as a value that is thrown away.
    CHECK(refusesByName(full, "}" + pickled::global(module, name) + "0."));
  }
}

TEST_CASE("opcodes without a part in tensors are refused by name") {
  CHECK(refusesByName("the opcode EXT1", "\x82\x01."));
  CHECK(refusesByName("the opcode EXT2", std::string("\x83\x01\x00.", 4)));
  CHECK(refusesByName("the opcode EXT4", std::string("\x84\x01\x00\x00\x00.", 6)));
  CHECK(refusesByName("the opcode INST", "(icollections\nOrderedDict\n."));
  CHECK(refusesByName("the opcode OBJ", "(" + pickled::global("collections", "OrderedDict") + "o."));
  CHECK(refusesByName("the opcode NEWOBJ_EX", pickled::global("collections", "OrderedDict") + ")}\x92."));
  CHECK(refusesByName("the opcode PERSID", "Pid\n."));
  CHECK(refusesByName("the opcode STRING", "S'x'\n."));
  CHECK(refusesByName("the opcode NEXT_BUFFER", "\x97."));
  CHECK(refuses("255 is no opcode", "\xff."));
  CHECK(throwsError(ErrorCode::InvalidModel, "protocol 6", [] { parse("\x80\x06N."); }));
}

TEST_CASE("calls of what is no function, or with what it can't take") {
  const std::string storage = pickled::storage("FloatStorage", "0", 6);
  const auto rebuild = [](const std::string& arguments) {
    return pickled::reduce(pickled::global("torch._utils", "_rebuild_tensor_v2"), arguments) + ".";
  };
  CHECK(refuses("it calls a string", pickled::text("os.system") + ")R."));
  CHECK(refuses("it calls the type torch.float16", pickled::global("torch", "float16") + ")R."));
  CHECK(refuses("it calls a dict", "})R."));
  CHECK(refuses("the arguments of a call", pickled::global("torch", "Size") + "NR."));
  CHECK(refuses("it makes an object of a list", "])\x81."));
  CHECK(refusesByName("\"torch.FloatStorage\"", pickled::global("torch", "FloatStorage") + ")\x81."));
  CHECK(refuses("it builds upon a type", pickled::global("argparse", "Namespace") + "}b."));
  CHECK(refuses("it builds upon a tuple", ")}b."));
  CHECK(refuses("the name of a global is no string", "K\x01K\x02\x93."));
  CHECK(refuses("a persistent id", "NQ."));
  CHECK(refuses("does not describe a storage", pickled::tuple({pickled::text("module")}) + "Q."));
  CHECK(refuses("no type of storages", pickled::tuple({pickled::text("storage"), pickled::global("torch", "float16"),
                                                       pickled::text("0"), pickled::text("cpu"), pickled::integer(1)}) +
                                           "Q."));
  CHECK(refuses("a negative number of elements", pickled::storage("FloatStorage", "0", -1) + "."));
  CHECK(refuses("described by 0 values", rebuild(")")));
  CHECK(refuses("lies in no storage", rebuild(pickled::tuple({"N", "K\x01", ")", ")", "\x89", "}"}))));
  CHECK(refuses("the size of a tensor", rebuild(pickled::tuple({storage, "K\x01", "]", ")", "\x89", "}"}))));
  CHECK(refuses("the size of a tensor", rebuild(pickled::tuple({storage, "K\x01", "N\x85", ")", "\x89", "}"}))));
  CHECK(refuses("0 dimensions but 1 strides",
                rebuild(pickled::tuple({storage, "K\x01", ")", "K\x01\x85", "\x89", "}"}))));
  CHECK(refuses("65 dimensions",
                rebuild(pickled::tuple({storage, "K\x01", "(" + repeat("K\x01", 65) + "t", ")", "\x89", "}"}))));
  CHECK(refuses("two element types differ", rebuild(pickled::tuple({storage, "K\x01", ")", ")", "\x89", "}",
                                                                    pickled::global("torch", "float16")}))));
  CHECK(refuses("something else than a list", pickled::global("collections", "OrderedDict") + "N\x85R."));
  CHECK(refuses("something else than pairs", pickled::global("collections", "OrderedDict") + "]Na\x85R."));
}

TEST_CASE("a stack, marks and a memo that don't hold what is taken") {
  CHECK(refuses("a value that isn't there", "."));
  CHECK(refuses("a value that isn't there", "0."));
  CHECK(refuses("a value that isn't there", "N(."));
  CHECK(refuses("a value that isn't there", "N(\x85."));
  CHECK(refuses("a mark that isn't there", "t."));
  CHECK(refuses("memo 7", "h\x07."));
  CHECK(refuses("appends to a dict", "}Na."));
  CHECK(refuses("sets items of a list", "]NNs."));
  CHECK(refuses("has no value", "}(Nu."));
  CHECK(refuses("ends within a value", "X" + little(uint32_t{1000}) + "short"));
  CHECK(refuses("ends within a value", "\x8d" + little(~uint64_t{0}) + "short"));
  CHECK(refuses("ends within a value", "cos"));
  CHECK(refuses("ends within a value", ""));
}

TEST_CASE("structures that are deep, shared or contain themselves cost no more than their bytes") {
  SUBCASE("a tuple in a tuple in a tuple …") {
    const std::string bytes = pickled::kProto + ")" + repeat("\x85", 1000000) + ".";
    CHECK(parse(bytes)[parse(bytes).root()].kind == Kind::Tuple);
  }
  SUBCASE("marks within marks") { CHECK(refuses("nests deeper", repeat("(", 20000) + "N.")); }
  SUBCASE("a list and a dict that contain themselves") {
    const Document document = parse(pickled::kProto + "]q\x01h\x01" + "a}q\x02" + pickled::text("me") + "h\x02sa.");
    CHECK(document.items(document.root()).size() == 2);
    CHECK(document.items(document.root())[0] == document.root());
  }
  SUBCASE("billion laughs: each level refers ten times to the one below") {
    std::string bytes = pickled::kProto + "]q";
    bytes += '\0';
    for (char level = 1; level < 60; ++level) {
      bytes += "](";
      for (int i = 0; i < 10; ++i) bytes += std::string("h") + static_cast<char>(level - 1);
      bytes += std::string("eq") + level;
    }
    bytes += ".";
    const Document document = parse(bytes);
    CHECK(document.items(document.root()).size() == 10);
  }
  SUBCASE("doubling by DUP stays within the bounds of the stack and of values") {
    CHECK(refuses("its stack grows", "N" + repeat("2", 5000000) + "."));
    CHECK(refusesByName("values", repeat("N0", 5000000) + "."));
  }
  SUBCASE("a list that is put into OrderedDicts again and again") {
    const std::string pair = "NN\x86";
    const std::string list = "](" + repeat(pair, 4000) + "eq\x01";
    const std::string again = "h\x02h\x01\x85R0";
    CHECK(refusesByName("containers have more than",
                        list + pickled::global("collections", "OrderedDict") + "q\x02" + repeat(again, 4000) + "."));
  }
  SUBCASE("a tensor that is described again and again") {
    const std::string arguments =
        pickled::tuple({pickled::storage("FloatStorage", "0", 1), "K\x01", ")", ")", "\x89", "}"}) + "q\x01";
    CHECK(refusesByName("tensors", arguments + pickled::global("torch._utils", "_rebuild_tensor_v2") + "q\x02" +
                                       repeat("h\x02h\x01R0", 300000) + "."));
  }
}

TEST_CASE("hostile names are escaped and cut in messages") {
  const auto error =
      errorOf([] { parse(pickled::kProto + pickled::global("a\x1b[31m\x01\xff", std::string(100000, 'z'))); });
  REQUIRE(error);
  const std::string message = error->what();
  CHECK(message.find("a\\x1b[31m\\x01\\xff.zzz") != std::string::npos);
  CHECK(message.size() < 400);
}
