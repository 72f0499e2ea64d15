#include "picture/rows_kernels.hpp"

namespace presisi::picture {

const RowFunctions kRowsBase{alongRow, alongColumns};

const RowFunctions& rowFunctions() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return kRowsAvx2;
#endif
  return kRowsBase;
}

}  // namespace presisi::picture
