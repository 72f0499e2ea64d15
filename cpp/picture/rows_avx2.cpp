#include "picture/rows_kernels.hpp"

namespace presisi::picture {

const RowFunctions kRowsAvx2{alongRow, alongColumns};

}  // namespace presisi::picture
