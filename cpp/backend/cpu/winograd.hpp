#pragma once

#include <cstdint>

#include "backend/cpu/kernels/convolution.hpp"
#include "backend/cpu/team.hpp"
#include "core/tensor.hpp"

/// Convolutions of floats with kernels of 3x3 and steps of one, by Winograd's algorithm: four by four pixels of the
/// output come from six by six of the input, through 36 products of transformed inputs and weights in place of 144.
namespace presisi::cpu {

/// Whether that is faster than multiplying directly, and weights, four times as large as they were, stay few.
bool worthWinograd(const Dims& weights, const Dims& destination);

/// OIHW weights as a task wants them.
Tensor winogradWeights(const Tensor& weights);

int64_t scratchBytes(const WinogradTask& task, int64_t samples, int threads);
/// A thread's share. `in`, `out` and `skip`, which may be null, are NHWC.
void execute(const Team& team, const WinogradTask& task, int64_t samples, const void* in, void* out, const void* skip,
             void* scratch);

}  // namespace presisi::cpu
