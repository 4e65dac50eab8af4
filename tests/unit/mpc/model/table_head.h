// The head of a plan that only looks tokens up: what a test of the builder begins with.
#pragma once

#include <cstdint>

#include "mpc/plan/plan.h"

namespace mpc {

inline Plan TableHead(std::uint32_t tokens, std::uint32_t vocabulary, std::uint32_t digit_bits) {
  Plan head;
  head.architecture = "table";
  head.tokens = tokens;
  head.vocabulary = vocabulary;
  head.digit_bits_high = head.digit_bits_low = digit_bits;
  return head;
}

}  // namespace mpc
