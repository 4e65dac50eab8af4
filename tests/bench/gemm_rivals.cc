// Share x weight products by libraries, beside ours: oneDNN's int8 products of byte limbs, and
// BLAS' doubles. Not built with the rest, for it needs both libraries (libdnnl-dev,
// libopenblas-dev):
//
//   g++ -std=c++20 -O3 -march=native -I. tests/bench/gemm_rivals.cc build/dev/libmpc.a
//     build/dev/libproto.a -lcrypto -lsecp256k1 -ldnnl -lopenblas -o gemm_rivals && ./gemm_rivals
//
// Prints 10^9 multiply-adds a second of one core's time, best of eight, what cuts shares into limbs
// and puts results together included, and checks that all results are equal. A share is 16 bytes,
// or 4 words of 32 bits: bytes times bytes, summed 768 times, fit 32 bits; words times bytes, and
// 26 bits times 16, fit 53.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <cblas.h>
#include <dnnl.h>

#include "mpc/field/gemm.h"

namespace {

using mpc::Fp;
using mpc::UInt128;

constexpr std::size_t kInner = 768, kCols = 768;

// Of one core: the process may run on one thread alone.
double Seconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

struct Problem {
  std::size_t rows;
  unsigned bits;  // Of a weight: 8 or 16.
  std::vector<Fp> x;
  std::vector<std::int32_t> w;
};

// y = sum of parts[l][i] 2^(bits l).
template <class Number>
std::vector<Fp> Join(const std::vector<Number>& parts, std::size_t limbs, unsigned bits,
                     std::size_t size) {
  std::vector<Fp> y(size);
  for (std::size_t i = 0; i < size; ++i) {
    __int128 low = 0, high = 0;  // High: from 2^64 on.
    for (std::size_t l = 0; l < limbs; ++l) {
      const auto part = static_cast<__int128>(static_cast<std::int64_t>(parts[l * size + i]));
      const unsigned shift = bits * static_cast<unsigned>(l);
      if (shift < 64) {
        low += part << shift;
      } else {
        high += part << (shift - 64);
      }
    }
    y[i] = Fp::FromSigned(low) + Fp::FromSigned(high) * Fp::FromUnsigned(UInt128{1} << 64);
  }
  return y;
}

std::vector<Fp> ByOurs(const Problem& problem) {
  static std::vector<std::int32_t> seen;
  static mpc::PackedIntegers packed;
  if (seen != problem.w) packed = mpc::PackedIntegers(seen = problem.w);  // Once, as a plan does.
  std::vector<Fp> y(problem.rows * kCols);
  mpc::AddProduct(problem.x, packed, problem.rows, kInner, kCols, y);
  return y;
}

// Byte limbs of x, stacked: 16 rows for each. Weights of 16 bits are a signed and an unsigned byte,
// of which the second, u, goes as u - 128 with the rows' sums added.
std::vector<Fp> ByOneDnn(const Problem& problem) {
  const std::size_t rows = problem.rows, size = rows * kCols, bytes = problem.bits / 8;
  static std::vector<std::int32_t> seen;
  static std::vector<std::int8_t> w[2];  // Low, high; once.
  if (seen != problem.w) {
    seen = problem.w;
    for (auto& half : w) half.resize(problem.w.size());
    for (std::size_t i = 0; i < problem.w.size(); ++i) {
      const std::int32_t value = problem.w[i];
      w[0][i] = static_cast<std::int8_t>(bytes == 1 ? value : (value & 255) - 128);
      w[1][i] = static_cast<std::int8_t>(value >> 8);
    }
  }
  std::vector<std::uint8_t> x(16 * rows * kInner);
  for (std::size_t i = 0; i < problem.x.size(); ++i) {
    const UInt128 value = problem.x[i].value();
    for (std::size_t l = 0; l < 16; ++l) {
      x[l * problem.x.size() + i] = static_cast<std::uint8_t>(value >> (8 * l));
    }
  }
  std::vector<Fp> y(size);
  std::vector<std::int32_t> parts(16 * size);
  for (std::size_t half = 0; half < bytes; ++half) {
    const std::int32_t zero = 0;
    if (dnnl_gemm_u8s8s32('N', 'N', 'F', static_cast<dnnl_dim_t>(16 * rows), kCols, kInner, 1.0f,
                          x.data(), kInner, 0, w[half].data(), kCols, 0, 0.0f, parts.data(), kCols,
                          &zero) != dnnl_success) {
      std::exit(1);
    }
    const std::vector<Fp> joined = Join(parts, 16, 8, size);
    for (std::size_t i = 0; i < size; ++i) {
      y[i] += half == 0 ? joined[i] : joined[i] * Fp(256);
    }
  }
  for (std::size_t row = 0; bytes == 2 && row < rows; ++row) {
    Fp sum;
    for (std::size_t i = 0; i < kInner; ++i) sum += problem.x[row * kInner + i];
    for (std::size_t j = 0; j < kCols; ++j) y[row * kCols + j] += sum * Fp(128);
  }
  return y;
}

std::vector<Fp> ByDoubles(const Problem& problem) {
  const std::size_t rows = problem.rows, size = rows * kCols;
  const unsigned bits = problem.bits == 8 ? 32 : 26;
  const std::size_t limbs = problem.bits == 8 ? 4 : 5;
  static std::vector<std::int32_t> seen;
  static std::vector<double> w;
  if (seen != problem.w) {
    seen = problem.w;
    w.assign(seen.begin(), seen.end());
  }
  std::vector<double> x(limbs * rows * kInner), parts(limbs * size);
  for (std::size_t i = 0; i < problem.x.size(); ++i) {
    const UInt128 value = problem.x[i].value();
    for (std::size_t l = 0; l < limbs; ++l) {
      x[l * problem.x.size() + i] = static_cast<double>(
          static_cast<std::uint64_t>(value >> (bits * l)) & ((1ull << bits) - 1));
    }
  }
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(limbs * rows), kCols,
              kInner, 1.0, x.data(), kInner, w.data(), kCols, 0.0, parts.data(), kCols);
  return Join(parts, limbs, bits, size);
}

}  // namespace

int main() {
  setenv("OMP_NUM_THREADS", "1", 1);
  openblas_set_num_threads(1);
  std::mt19937_64 random(1);
  for (const std::size_t rows : {128u, 32u, 8u}) {
    for (const unsigned bits : {8u, 16u}) {
      Problem problem{rows, bits, std::vector<Fp>(rows * kInner),
                      std::vector<std::int32_t>(kInner * kCols)};
      for (Fp& x : problem.x) x = Fp::FromUniform(UInt128{random()} << 64 | random());
      for (std::int32_t& w : problem.w) {
        w = bits == 8 ? static_cast<std::int8_t>(random()) : static_cast<std::int16_t>(random());
      }
      const std::vector<Fp> expected = ByOurs(problem);
      std::printf("%zu x 768 x 768, %u bits:", rows, bits);
      const std::pair<const char*, std::function<std::vector<Fp>(const Problem&)>> ways[] = {
          {"ours", ByOurs}, {"oneDNN", ByOneDnn}, {"doubles", ByDoubles}};
      for (const auto& [name, product] : ways) {
        double best = 1e9;
        bool equal = true;
        for (int run = 0; run < 8; ++run) {
          const double begin = Seconds();
          const std::vector<Fp> y = product(problem);
          best = std::min(best, Seconds() - begin);
          equal &= y == expected;
        }
        std::printf("  %s %.2f%s", name, 1e-9 * static_cast<double>(rows * kInner * kCols) / best,
                    equal ? "" : " (WRONG)");
      }
      std::printf("\n");
    }
  }
}
