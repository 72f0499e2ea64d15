#pragma once

/// The part of NVML's C interface that is used here: its functions' types, the structures they fill and the numbers
/// they take and give, as the library documents them. Shared with the stand-in that the tests load.
namespace presisi::telemetry::nvml {

using Result = int;    ///< nvmlReturn_t
using Device = void*;  ///< nvmlDevice_t
using Clock = int;     ///< nvmlClockType_t
using Sensor = int;    ///< nvmlTemperatureSensors_t

inline constexpr Result kSuccess = 0;
inline constexpr Result kNotSupported = 3;
inline constexpr Result kFunctionNotFound = 13;
inline constexpr Clock kGraphicsClock = 0;
inline constexpr Sensor kGpuTemperature = 0;

/// Reasons why clocks are lower than they could be. Those left out are wanted: an idle GPU (1), clocks that the user
/// set (2), GPUs that keep pace with each other (0x10), a display (0x100).
inline constexpr unsigned long long kSlowedDown = 0x04     // a power limit, by the driver
                                                  | 0x08   // hardware slowdown, whatever for
                                                  | 0x20   // heat, by the driver
                                                  | 0x40   // heat, by the hardware
                                                  | 0x80;  // the power supply asks for it

struct Utilization {  ///< nvmlUtilization_t
  unsigned gpu;       ///< percent
  unsigned memory;    ///< percent
};

struct Memory {  ///< nvmlMemory_t, bytes
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

using Init = Result (*)();
using Shutdown = Result (*)();
using ErrorString = const char* (*)(Result);
using Count = Result (*)(unsigned* count);
using HandleByIndex = Result (*)(unsigned index, Device* device);
using Name = Result (*)(Device, char* name, unsigned length);
using UtilizationRates = Result (*)(Device, Utilization*);
using MemoryInfo = Result (*)(Device, Memory*);
using ClockInfo = Result (*)(Device, Clock, unsigned* megahertz);
using Temperature = Result (*)(Device, Sensor, unsigned* celsius);
using Power = Result (*)(Device, unsigned* milliwatts);
using Energy = Result (*)(Device, unsigned long long* millijoules);
using Throttle = Result (*)(Device, unsigned long long* reasons);

}  // namespace presisi::telemetry::nvml
