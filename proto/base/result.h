// Result<T>: a value, or the Error that explains why there is none.
//
// Three things can go wrong, and each has one form:
//   a peer misbehaves     Fault in a Step       (proto/protocol.h)  expected, recorded, survived
//   the world fails us    Error in a Result<T>  (this file)         expected, returned to the
//   caller we are wrong          CHECK(condition)      (proto/base/check.h) unexpected, the process
//   stops
#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace proto {

enum class ErrorCode : unsigned char {
  kInvalidArgument,  // The caller's input is wrong; repeating it will not help.
  kNotFound,
  kUnavailable,  // Transient: a retry may succeed.
  kExhausted,    // A named limit was reached.
  kCorrupt,      // Stored or received bytes fail their own check.
  kDenied,       // Not authorised: wrong key, owner or state.
};

struct Error {
  ErrorCode code;
  std::string message;
};

template <class T = void>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

inline tl::unexpected<Error> Fail(ErrorCode code, std::string message) {
  return tl::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace proto
