#include "onnx/validate.hpp"

#include <functional>
#include <queue>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/error.hpp"

namespace presisi::onnx {

namespace {

constexpr int kGiven = -1;  ///< the "node" that makes inputs and initializers

using Producers = std::unordered_map<std::string, int>;

[[noreturn]] void refuse(const std::string& message) { throw Error(ErrorCode::InvalidModel, message); }

Producers findProducers(const Graph& graph) {
  Producers producers;
  for (const auto& [name, tensor] : graph.initializers) {
    static_cast<void>(tensor);
    producers.emplace(name, kGiven);
  }
  for (const ValueInfo& input : graph.inputs) {
    if (!producers.emplace(input.name, kGiven).second) refuse("input \"" + input.name + "\" is declared twice");
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (const std::string& output : graph.nodes[i].outputs) {
      if (output.empty()) continue;
      const auto [it, isNew] = producers.emplace(output, static_cast<int>(i));
      if (isNew) continue;
      const std::string other =
          it->second == kGiven ? "an input or initializer" : graph.nodes[static_cast<size_t>(it->second)].label();
      refuse("tensor \"" + output + "\" is made twice: by " + graph.nodes[i].label() + " and by " + other);
    }
  }
  return producers;
}

void checkOutputs(const Graph& graph, const Producers& producers) {
  if (graph.outputs.empty()) refuse("the graph has no outputs");
  std::set<std::string> seen;
  for (const ValueInfo& output : graph.outputs) {
    if (producers.count(output.name) == 0) refuse("output \"" + output.name + "\" is made by no node");
    if (!seen.insert(output.name).second) refuse("output \"" + output.name + "\" is declared twice");
  }
}

/// Names a cycle among the nodes that could not be ordered: from any of them, following producers that could not be
/// ordered either, some node comes back.
[[noreturn]] void refuseCycle(const Graph& graph, const Producers& producers, const std::vector<int>& waiting) {
  size_t at = 0;
  while (waiting[at] == 0) ++at;
  std::vector<size_t> path;
  std::vector<bool> visited(graph.nodes.size(), false);
  while (!visited[at]) {
    visited[at] = true;
    path.push_back(at);
    for (const std::string& input : graph.nodes[at].inputs) {
      if (input.empty()) continue;
      const int producer = producers.at(input);
      if (producer != kGiven && waiting[static_cast<size_t>(producer)] > 0) {
        at = static_cast<size_t>(producer);
        break;
      }
    }
  }
  std::string text = graph.nodes[at].label();
  for (size_t i = path.size(); i-- > 0;) {
    text += " -> " + graph.nodes[path[i]].label();
    if (path[i] == at) break;
    if (path.size() - i == 8) {  // enough to find it by
      text += " -> …";
      break;
    }
  }
  refuse("the graph has a cycle: " + text);
}

}  // namespace

void validateAndSort(Graph& graph) {
  const Producers producers = findProducers(graph);
  checkOutputs(graph, producers);

  // Kahn's algorithm; of the nodes that are ready the one that comes first in the file goes first.
  const size_t count = graph.nodes.size();
  std::vector<int> waiting(count, 0);
  std::vector<std::vector<int>> consumers(count);
  for (size_t i = 0; i < count; ++i) {
    for (const std::string& input : graph.nodes[i].inputs) {
      if (input.empty()) continue;
      const auto producer = producers.find(input);
      if (producer == producers.end()) {
        refuse(graph.nodes[i].label() + ": input \"" + input + "\" is made by no node and is no input of the graph");
      }
      if (producer->second == kGiven) continue;
      ++waiting[i];
      consumers[static_cast<size_t>(producer->second)].push_back(static_cast<int>(i));
    }
  }
  std::priority_queue<int, std::vector<int>, std::greater<int>> ready;
  for (size_t i = 0; i < count; ++i) {
    if (waiting[i] == 0) ready.push(static_cast<int>(i));
  }
  std::vector<Node> sorted;
  sorted.reserve(count);
  std::vector<int> order;
  order.reserve(count);
  while (!ready.empty()) {
    const int next = ready.top();
    ready.pop();
    order.push_back(next);
    for (const int consumer : consumers[static_cast<size_t>(next)]) {
      if (--waiting[static_cast<size_t>(consumer)] == 0) ready.push(consumer);
    }
  }
  if (order.size() != count) refuseCycle(graph, producers, waiting);
  for (const int index : order) sorted.push_back(std::move(graph.nodes[static_cast<size_t>(index)]));
  graph.nodes = std::move(sorted);
}

}  // namespace presisi::onnx
