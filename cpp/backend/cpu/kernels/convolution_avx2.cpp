// The convolution kernels for AVX2 and FMA. Includes no header that defines inline functions with
// external linkage: kernels.inc says why.
#define PRESISI_ISA avx2
#include "backend/cpu/kernels/vectors_avx2.hpp"
//
#include "backend/cpu/kernels/convolution.inc"
