#include "architectures/family.hpp"

#include <algorithm>

namespace presisi::architectures {

int64_t roundChannels(double channels) {
  constexpr int64_t kMultiple = 8;
  const int64_t nearest = static_cast<int64_t>(channels + kMultiple / 2.0) / kMultiple * kMultiple;
  const int64_t rounded = std::max(kMultiple, nearest);
  return static_cast<double>(rounded) < 0.9 * channels ? rounded + kMultiple : rounded;
}

std::string join(const std::vector<int64_t>& numbers) {
  std::string text;
  for (const int64_t number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

std::optional<std::string> widthMultiplier(const std::vector<int64_t>& widths,
                                           const std::function<std::vector<int64_t>(double)>& widthsOf) {
  if (widthsOf(1) == widths) return "1";
  for (int twentieths = 1; twentieths <= 40; ++twentieths) {
    if (widthsOf(twentieths / 20.0) != widths) continue;
    std::string text =
        std::to_string(twentieths / 20) + "." + (twentieths % 20 < 2 ? "0" : "") + std::to_string(twentieths % 20 * 5);
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
    return text;
  }
  return std::nullopt;
}

}  // namespace presisi::architectures
