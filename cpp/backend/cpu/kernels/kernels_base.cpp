#define PRESISI_ISA base
#include "backend/cpu/kernels/kernels.inc"
