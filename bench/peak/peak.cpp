// What this processor can do at most, measured: multiply-accumulates in registers, 8-bit and float, and bytes read.
// Prints one line of JSON. Usage: peak THREADS SECONDS [BYTES]; with BYTES only reading that much memory is measured.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

struct Arithmetic {
  const char* isa = nullptr;
  /// Executes so many rounds of an instruction.
  void (*kernel)(uint64_t rounds) = nullptr;
  /// Multiply-accumulates of a round.
  uint64_t macs = 0;
};

// Sums that don't depend on one another: with two instructions a cycle, each up to five cycles long, ten of them keep
// an x86 processor busy, and twelve fit into 16 registers. ARM has 32, and cores that do four in a cycle.
#if defined(__x86_64__)
constexpr uint64_t kSums = 12;
#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11)
#define TARGET(isa) __attribute__((target(isa)))
#define REGISTER "v"
#elif defined(__aarch64__)
constexpr uint64_t kSums = 24;
#define EACH(M)                                                                                                   \
  M(0)                                                                                                            \
  M(1)                                                                                                            \
  M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15) M(16) M(17) M(18) M(19) M(20) M(21) \
      M(22) M(23)
#define TARGET(isa)
#define REGISTER "w"
#endif

// The instructions are written out, since compilers put copies between intrinsics. %0 is the sum, %1 is free for use in
// between, %2 and %3 are what is multiplied, %4 is what the sum of a pair is made with.
#define BEGIN(i) Vector s##i = a;
#define STEP(i) \
  asm volatile(INSTRUCTION : "+" REGISTER(s##i), "=&" REGISTER(free) : REGISTER(a), REGISTER(b), REGISTER(ones));
#define KERNEL(name, isa, bytes)                                   \
  TARGET(isa) void name(uint64_t rounds) {                         \
    typedef float Vector __attribute__((vector_size(bytes)));      \
    Vector a, b, ones, free;                                       \
    std::memset(&a, 0x3c, sizeof(a)); /* 60, or 0.0115 in float */ \
    std::memset(&b, 0x3c, sizeof(b));                              \
    std::memset(&ones, 1, sizeof(ones));                           \
    EACH(BEGIN)                                                    \
    for (; rounds > 0; --rounds) {                                 \
      EACH(STEP)                                                   \
    }                                                              \
  }

#if defined(__x86_64__)

#define INSTRUCTION "vpdpbusd %3, %2, %0"
KERNEL(vnni512, "avx512f,avx512vnni", 64)
#undef INSTRUCTION
#if !defined(__clang__) && __GNUC__ >= 11
#define HAS_AVX_VNNI
#define INSTRUCTION "%{vex%} vpdpbusd %3, %2, %0"
KERNEL(vnni256, "avx2,avxvnni", 32)
#undef INSTRUCTION
#endif
// Without VNNI: products summed in pairs, pairs of pairs, and only then the sum.
#define INSTRUCTION "vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"
KERNEL(madd256, "avx2", 32)
#undef INSTRUCTION
#define INSTRUCTION "vfmadd231ps %3, %2, %0"
KERNEL(fma512, "avx512f", 64)
KERNEL(fma256, "avx2,fma", 32)

Arithmetic int8Arithmetic() {
  if (__builtin_cpu_supports("avx512vnni")) return {"avx512_vnni", vnni512, kSums * 64};
#ifdef HAS_AVX_VNNI
  if (__builtin_cpu_supports("avxvnni")) return {"avx_vnni", vnni256, kSums * 32};
#endif
  if (__builtin_cpu_supports("avx2")) return {"avx2", madd256, kSums * 32};
  return {};
}

Arithmetic floatArithmetic() {
  if (__builtin_cpu_supports("avx512f")) return {"avx512_fma", fma512, kSums * 16};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {"avx2_fma", fma256, kSums * 8};
  return {};
}

#elif defined(__aarch64__)

#ifdef __ARM_FEATURE_DOTPROD
#define INSTRUCTION "sdot %0.4s, %2.16b, %3.16b"
KERNEL(sdot, "", 16)
Arithmetic int8Arithmetic() { return {"dotprod", sdot, kSums * 16}; }
#else
#define INSTRUCTION "smull %1.8h, %2.8b, %3.8b\n\tsadalp %0.4s, %1.8h"
KERNEL(smull, "", 16)
Arithmetic int8Arithmetic() { return {"neon", smull, kSums * 8}; }
#endif
#undef INSTRUCTION
#define INSTRUCTION "fmla %0.4s, %2.4s, %3.4s"
KERNEL(fmla, "", 16)
Arithmetic floatArithmetic() { return {"neon_fma", fmla, kSums * 4}; }

#else
Arithmetic int8Arithmetic() { return {}; }
Arithmetic floatArithmetic() { return {}; }
#endif

std::atomic<double> sink{0};

/// What all threads do together a second: `work` gets its thread's number, does a little, and says how much.
template <typename Setup>
double rate(int threads, double seconds, Setup setup) {
  std::atomic<int> ready{0};
  std::vector<double> rates(static_cast<size_t>(threads));
  std::vector<std::thread> team;
  for (int thread = 0; thread < threads; ++thread) {
    team.emplace_back([&, thread] {
      auto work = setup(thread);
      work();
      ++ready;
      while (ready < threads) std::this_thread::yield();
      const auto start = Clock::now();
      double done = 0, elapsed = 0;
      do {
        done += work();
        elapsed = secondsSince(start);
      } while (elapsed < seconds);
      rates[static_cast<size_t>(thread)] = done / elapsed;
    });
  }
  for (std::thread& member : team) member.join();
  double total = 0;
  for (const double each : rates) total += each;
  return total;
}

double macsPerSecond(const Arithmetic& arithmetic, int threads, double seconds) {
  constexpr uint64_t kRounds = 100'000;
  return rate(threads, seconds, [&](int) {
    return [&] {
      arithmetic.kernel(kRounds);
      return static_cast<double>(kRounds * arithmetic.macs);
    };
  });
}

/// One thread's share of the memory is its own, written before it is read.
double bytesPerSecond(size_t bytes, int threads, double seconds) {
  constexpr size_t kLine = 64;
  const size_t words = (bytes / static_cast<size_t>(threads) + kLine) / kLine * (kLine / sizeof(uint64_t));
  return rate(threads, seconds, [words](int thread) {
    auto memory = std::make_shared<std::vector<uint64_t>>(words, static_cast<uint64_t>(thread));
    return [memory, words] {
      typedef uint64_t Block __attribute__((vector_size(16)));
      const auto read = [](const char* from) {
        Block block;
        std::memcpy(&block, from, sizeof(Block));
        return block;
      };
      Block a = {}, b = {}, c = {}, d = {};
      const char* const memoryBegin = reinterpret_cast<const char*>(memory->data());
      const char* const memoryEnd = memoryBegin + words * sizeof(uint64_t);
      for (const char* at = memoryBegin; at < memoryEnd; at += kLine) {
        a += read(at);
        b += read(at + 16);
        c += read(at + 32);
        d += read(at + 48);
      }
      a += b + c + d;
      sink = static_cast<double>(a[0] + a[1]);
      return static_cast<double>(words * sizeof(uint64_t));
    };
  });
}

/// Cycles a second of one core, where an addition that waits for the one before takes a cycle: the most of a few
/// milliseconds, since whoever interrupts takes time and no cycles.
double clockRate(double seconds) {
  double most = 0;
#if defined(__x86_64__)
#define ADD "add %1, %0\n\t"
#elif defined(__aarch64__)
#define ADD "add %0, %0, %1\n\t"
#endif
#ifdef ADD
  constexpr uint64_t kRounds = 100'000;
  const uint64_t step = 3;
  uint64_t sum = 1;
  const auto start = Clock::now();
  do {
    const auto begin = Clock::now();
    for (uint64_t round = 0; round < kRounds; ++round) {
      asm volatile(ADD ADD ADD ADD ADD ADD ADD ADD ADD ADD ADD ADD ADD ADD ADD ADD : "+r"(sum) : "r"(step));
    }
    most = std::max(most, static_cast<double>(kRounds * 16) / secondsSince(begin));
  } while (secondsSince(start) < seconds);
#undef ADD
#else
  (void)seconds;
#endif
  return most;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 0;
  const double seconds = argc > 2 ? std::atof(argv[2]) : 0;
  const double bytes = argc > 3 ? std::atof(argv[3]) : 0;
  if (argc < 3 || argc > 4 || threads < 1 || !(seconds > 0) || (argc == 4 && !(bytes > 0))) {
    std::fputs("Usage: peak THREADS SECONDS [BYTES]\n", stderr);
    return 2;
  }
  if (argc == 4) {
    std::printf("{\"bytesPerSecond\":%.6g}\n", bytesPerSecond(static_cast<size_t>(bytes), threads, seconds));
    return 0;
  }
  std::printf("{");
  const auto print = [&](const char* name, const Arithmetic& arithmetic) {
    if (arithmetic.kernel == nullptr) return;
    std::printf("\"%s\":{\"isa\":\"%s\",\"macsPerSecond\":%.6g},", name, arithmetic.isa,
                macsPerSecond(arithmetic, threads, seconds));
  };
  print("int8", int8Arithmetic());
  print("fp32", floatArithmetic());
  std::printf("\"hertz\":%.6g}\n", clockRate(seconds / 2));
  return 0;
}
