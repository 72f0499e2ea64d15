#pragma once

#include <map>
#include <string>
#include <vector>

#include "checkpoint/pickle.hpp"

namespace presisi::checkpoint {

/// Where in a pickled structure the parameters lie.
struct StateDict {
  pickle::Id dict = 0;
  std::string section;  ///< the keys that lead there, joined by dots; empty: it is the root
  /// The dicts on the way there with what is kept beside the parameters, outermost first.
  std::vector<pickle::Id> around;
};

/// Throws UnsupportedModel when there are none.
StateDict findStateDict(const pickle::Document& document, const std::string& label);

/// The strings, numbers and truth values around the parameters, and those of dicts and Namespaces there:
/// `epoch` -> `90`, `args.lr` -> `0.1`.
std::map<std::string, std::string> factsAround(const pickle::Document& document, const StateDict& found);

}  // namespace presisi::checkpoint
