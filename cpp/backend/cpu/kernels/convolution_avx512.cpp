// The convolution kernels for AVX-512, integers with VNNI. Includes no header that defines inline functions with
// external linkage: kernels.inc says why.
#define PRESISI_ISA avx512
#include "backend/cpu/kernels/vectors_avx512.hpp"
//
#include "backend/cpu/kernels/convolution.inc"
