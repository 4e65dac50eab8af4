// JSON-RPC 2.0: a table of methods, typed parameters, and answers that never surprise.
//
// Handle() takes any bytes and always answers well-formed JSON: a result, or an error object whose
// message is one sentence that says what to do. The text is judged before it is parsed (depth and
// number of values), so a small body cannot become a large tree. Each call is checked against what
// the method's specification says of its parameters; the method `rpc.discover`, which is always
// there, tells all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "node/rpc/method_spec.h"
#include "proto/base/bytes.h"

namespace node {

using Json = nlohmann::json;

inline constexpr std::size_t kJsonDepthMax = 32;
inline constexpr std::size_t kJsonValuesMax = 200'000;
inline constexpr std::size_t kBatchMax = 32;
inline constexpr std::size_t kBatchAnswerBytesMax = std::size_t{16} << 20;
inline constexpr std::size_t kIdBytesMax = 256;

// Parses within the limits above; kInvalidArgument says what is wrong.
proto::Result<Json> ParseJson(std::string_view text);
// Compact; bytes that are not UTF-8 become U+FFFD rather than an exception.
std::string FormatJson(const Json& value);

// The parameters of one call. A getter fails with a sentence naming the parameter.
class Params {
 public:
  // By name (an object) or by position (an array), according to the method's specification.
  // What is unknown, too much, missing or of another type is refused.
  static proto::Result<Params> From(const Json& given, const std::vector<ParamSpec>& specs);

  bool has(std::string_view name) const { return Find(name) != nullptr; }
  // A non-negative integer, or its decimal digits in a string (for callers whose numbers are
  // doubles).
  proto::Result<std::uint64_t> Number(std::string_view name) const;
  proto::Result<std::string> Text(std::string_view name, std::size_t bytes_max) const;
  proto::Result<proto::Bytes> Hex(std::string_view name, std::size_t bytes_max) const;
  // Exactly `size` bytes in hexadecimal.
  proto::Result<proto::Bytes> HexOf(std::string_view name, std::size_t size) const;
  proto::Result<proto::Digest> Digest(std::string_view name) const;
  // All that are given, but for this one.
  Json Without(std::string_view name) const;
  proto::Result<bool> Flag(std::string_view name) const;  // False when absent.
  // The number, or `otherwise` when absent.
  proto::Result<std::uint64_t> Number(std::string_view name, std::uint64_t otherwise) const;

 private:
  const Json* Find(std::string_view name) const;
  proto::Result<const std::string*> TextOf(std::string_view name) const;

  std::map<std::string, Json, std::less<>> values_;  // null counts as absent.
};

class JsonRpc {
 public:
  using Method = std::function<proto::Result<Json>(const Params&)>;

  JsonRpc();

  // A provable method gets the parameter `prove` as its last.
  void Add(MethodSpec spec, Method method);
  const std::vector<MethodSpec>& specs() const { return specs_; }

  // One call; as Handle() makes it. kInvalidArgument when there is no such method.
  proto::Result<Json> Call(const std::string& method, const Json& params) const;
  // The answer to one request or a batch; empty when nothing is to be answered (notifications).
  // Thread-safe as far as the methods are.
  std::string Handle(std::string_view body) const;

 private:
  struct Entry {
    std::size_t spec;  // Its place.
    Method method;
  };

  std::optional<Json> HandleOne(const Json& request) const;  // Nothing for a notification.
  proto::Result<Json> Invoke(const Entry& entry, const Json& given) const;

  std::vector<MethodSpec> specs_;
  std::map<std::string, Entry, std::less<>> methods_;
};

}  // namespace node
