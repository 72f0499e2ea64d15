#define PRESISI_ISA avx2
#include "backend/cpu/kernels/kernels.inc"
