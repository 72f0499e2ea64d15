#pragma once

#include <cstddef>
#include <cstdint>

namespace presisi::checkpoint {

/// The CRC-32 of zip files (ISO 3309, reflected polynomial 0xEDB88320), eight bytes a step.
uint32_t crc32(const uint8_t* data, size_t size);

}  // namespace presisi::checkpoint
