#define PRESISI_ISA avx512
#include "backend/cpu/kernels/kernels.inc"
