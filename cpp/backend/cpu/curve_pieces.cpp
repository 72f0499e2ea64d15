#include "backend/cpu/curve_pieces.hpp"

#include <algorithm>
#include <cmath>

namespace presisi::cpu {

namespace {

constexpr int kPieces = 64;
// Where swish is least, and the largest of its first and third derivatives.
constexpr double kLowest = -1.2784645427610738, kSlope = 1.1, kThirdDerivative = 0.31;
// What may come of parabolas not being swish, and of 16 bits going in. Rounding what is between adds 5/512 at most.
constexpr double kWorstFit = 1.0 / 512, kWorstStep = 1.0 / 128;

double swish(double x) { return x / (1 + std::exp(-x)); }

/// Where swish, which rises or falls all the way from `low` to `high`, is `wanted`.
double whereSwishIs(double wanted, double low, double high) {
  const bool rises = swish(high) > swish(low);
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (swish(middle) < wanted) == rises ? low = middle : high = middle;
  }
  return low;
}

int16_t in16Bits(double value) { return static_cast<int16_t>(std::lrint(std::clamp(value * 256, -32768.0, 32767.0))); }

}  // namespace

std::optional<FittedCurve> fittedSwish(float scale) {
  if (!(scale > 1e-4f && scale < 1e4f)) return std::nullopt;
  // Below, it rounds to 0; above, to 127.
  const double wanted = -0.45 * scale;
  const double low = swish(kLowest) > wanted ? kLowest : whereSwishIs(wanted, -40, kLowest);
  const double top = 127.45 * scale, high = whereSwishIs(top, kLowest, top + 2);
  const double half = (high - low) / (2 * kPieces);
  if (kThirdDerivative * half * half * half / 24 > kWorstFit * scale) return std::nullopt;
  if (kSlope * (high - low) / 131072 > kWorstStep * scale) return std::nullopt;

  FittedCurve fitted;
  fitted.unit = static_cast<float>(65536 / (high - low));
  fitted.offset = static_cast<float>(-32768 - low * 65536 / (high - low));
  for (int i = 0; i < kPieces; ++i) {
    // Through three points, those whose parabola is off least. Pieces are numbered as the six bits of a negative number
    // are.
    const double middle = low + half * (2 * ((i + kPieces / 2) % kPieces) + 1), node = std::sqrt(0.75);
    const double before = swish(middle - node * half) / scale, at = swish(middle) / scale,
                 behind = swish(middle + node * half) / scale;
    fitted.pieces.value[i] = in16Bits(at + 0.5);  // rounding down then rounds
    fitted.pieces.slope[i] = in16Bits((behind - before) / (2 * node));
    fitted.pieces.bend[i] = in16Bits((behind + before - 2 * at) / (2 * node * node));
  }
  return fitted;
}

}  // namespace presisi::cpu
