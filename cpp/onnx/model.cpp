#include "onnx/model.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace presisi::onnx {

namespace {

Attribute named(std::string name, Attribute::Kind kind) {
  Attribute attribute;
  attribute.name = std::move(name);
  attribute.kind = kind;
  return attribute;
}

}  // namespace

Attribute Attribute::ofInt(std::string name, int64_t value) {
  Attribute a = named(std::move(name), Kind::Int);
  a.i = value;
  return a;
}
Attribute Attribute::ofFloat(std::string name, float value) {
  Attribute a = named(std::move(name), Kind::Float);
  a.f = value;
  return a;
}
Attribute Attribute::ofString(std::string name, std::string value) {
  Attribute a = named(std::move(name), Kind::String);
  a.s = std::move(value);
  return a;
}
Attribute Attribute::ofInts(std::string name, std::vector<int64_t> value) {
  Attribute a = named(std::move(name), Kind::Ints);
  a.ints = std::move(value);
  return a;
}
Attribute Attribute::ofFloats(std::string name, std::vector<float> value) {
  Attribute a = named(std::move(name), Kind::Floats);
  a.floats = std::move(value);
  return a;
}
Attribute Attribute::ofTensor(std::string name, presisi::Tensor value) {
  Attribute a = named(std::move(name), Kind::Tensor);
  a.t = std::move(value);
  return a;
}

const Attribute* Node::find(const std::string& attribute) const {
  for (const Attribute& a : attributes) {
    if (a.name == attribute) return &a;
  }
  return nullptr;
}

namespace {

const Attribute* typed(const Node& node, const std::string& attribute, Attribute::Kind kind, const char* kindName) {
  const Attribute* a = node.find(attribute);
  if (a != nullptr && a->kind != kind) {
    throw Error(ErrorCode::InvalidModel,
                node.label() + ": attribute \"" + attribute + "\" should be of type " + kindName);
  }
  return a;
}

}  // namespace

int64_t Node::getInt(const std::string& attribute, int64_t otherwise) const {
  const Attribute* a = typed(*this, attribute, Attribute::Kind::Int, "int");
  return a ? a->i : otherwise;
}
float Node::getFloat(const std::string& attribute, float otherwise) const {
  const Attribute* a = typed(*this, attribute, Attribute::Kind::Float, "float");
  return a ? a->f : otherwise;
}
std::string Node::getString(const std::string& attribute, const std::string& otherwise) const {
  const Attribute* a = typed(*this, attribute, Attribute::Kind::String, "string");
  return a ? a->s : otherwise;
}
std::vector<int64_t> Node::getInts(const std::string& attribute, const std::vector<int64_t>& otherwise) const {
  const Attribute* a = typed(*this, attribute, Attribute::Kind::Ints, "ints");
  return a ? a->ints : otherwise;
}
std::vector<float> Node::getFloats(const std::string& attribute, const std::vector<float>& otherwise) const {
  const Attribute* a = typed(*this, attribute, Attribute::Kind::Floats, "floats");
  return a ? a->floats : otherwise;
}

void Node::set(Attribute attribute) {
  for (Attribute& a : attributes) {
    if (a.name == attribute.name) {
      a = std::move(attribute);
      return;
    }
  }
  attributes.push_back(std::move(attribute));
}

void Node::remove(const std::string& attribute) {
  attributes.erase(
      std::remove_if(attributes.begin(), attributes.end(), [&](const Attribute& a) { return a.name == attribute; }),
      attributes.end());
}

std::string Node::label() const {
  const std::string& id = !name.empty() || outputs.empty() ? name : outputs.front();
  return (domain.empty() ? "" : domain + "::") + opType + " \"" + id + "\"";
}

const presisi::Tensor* Graph::initializer(const std::string& tensor) const {
  const auto it = initializers.find(tensor);
  return it == initializers.end() ? nullptr : &it->second;
}

int64_t Model::opset(const std::string& domain) const {
  const auto it = opsets.find(domain);
  return it == opsets.end() ? 0 : it->second;
}

int64_t irVersionFor(int64_t opset) {
  struct Release {
    int64_t opset;  // the first of that IR version
    int64_t irVersion;
  };
  static constexpr Release kReleases[] = {{1, 3},  {9, 4},   {10, 5},  {11, 6},  {12, 7}, {15, 8},
                                          {19, 9}, {21, 10}, {23, 11}, {24, 12}, {25, 13}};
  int64_t irVersion = kReleases[0].irVersion;
  for (const Release& release : kReleases) {
    if (opset >= release.opset) irVersion = release.irVersion;
  }
  return irVersion;
}

Links::Links(const Graph& graph) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const int index = static_cast<int>(i);
    for (const std::string& output : graph.nodes[i].outputs) {
      if (!output.empty()) producers_[output] = index;
    }
    for (const std::string& input : graph.nodes[i].inputs) {
      if (!input.empty()) consumers_[input].push_back(index);
    }
  }
  for (const ValueInfo& output : graph.outputs) outputs_[output.name] = true;
}

int Links::producer(const std::string& tensor) const {
  const auto it = producers_.find(tensor);
  return it == producers_.end() ? -1 : it->second;
}

const std::vector<int>& Links::consumers(const std::string& tensor) const {
  static const std::vector<int> none;
  const auto it = consumers_.find(tensor);
  return it == consumers_.end() ? none : it->second;
}

bool Links::isOutput(const std::string& tensor) const { return outputs_.count(tensor) > 0; }

int Links::onlyConsumer(const std::string& tensor) const {
  const std::vector<int>& users = consumers(tensor);
  return users.size() == 1 && !isOutput(tensor) ? users.front() : -1;
}

}  // namespace presisi::onnx
