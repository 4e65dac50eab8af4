#include "node/rpc/json_rpc.h"

#include <algorithm>
#include <charconv>
#include <exception>
#include <utility>

#include "proto/base/check.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kNameShownMax = 64;  // Of what the caller wrote, in an error.

std::string Quote(std::string_view text) {
  return "'" + std::string(text.substr(0, kNameShownMax)) + "'";
}

// Counts brackets and separators outside strings: an upper bound of the tree, found without one.
Result<> CheckShape(std::string_view text) {
  std::size_t depth = 0;
  std::size_t values = 1;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == '[' || c == '{' || c == ',') ++values;
    if (c == '[' || c == '{') ++depth;
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (depth > kJsonDepthMax) return Fail(ErrorCode::kInvalidArgument, "nested too deeply");
    if (values > kJsonValuesMax)
      return Fail(ErrorCode::kInvalidArgument, "made of too many values");
  }
  return {};
}

Json ErrorAnswer(RpcCode code, const std::string& message, Json id) {
  return {{"jsonrpc", "2.0"},
          {"error", {{"code", static_cast<int>(code)}, {"message", message}}},
          {"id", std::move(id)}};
}

bool IsId(const Json& id) {
  return id.is_null() || id.is_number() ||
         (id.is_string() && id.get_ref<const std::string&>().size() <= kIdBytesMax);
}

// What an answer to `request` repeats: its id, where it has a proper one.
Json IdOf(const Json& request) {
  if (!request.is_object()) return nullptr;
  const auto id = request.find("id");
  return id != request.end() && IsId(*id) ? *id : Json();
}

std::string TakesSentence(const std::vector<ParamSpec>& specs) {
  if (specs.empty()) return "the method takes none.";
  std::string list;
  for (const ParamSpec& spec : specs) list += (list.empty() ? "" : ", ") + spec.name;
  return "the method takes " + list + ".";
}

}  // namespace

Result<Json> ParseJson(std::string_view text) {
  if (auto shape = CheckShape(text); !shape) {
    return Fail(ErrorCode::kInvalidArgument, "The JSON is " + shape.error().message + ".");
  }
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) return Fail(ErrorCode::kInvalidArgument, "The text is not JSON.");
  return value;
}

std::string FormatJson(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Params> Params::From(const Json& given, const std::vector<ParamSpec>& specs) {
  Params params;
  if (given.is_array()) {
    if (given.size() > specs.size()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "There are too many parameters: " + TakesSentence(specs));
    }
    for (std::size_t i = 0; i < given.size(); ++i) {
      params.values_.emplace(specs[i].name, given[i]);
    }
  } else {
    for (const auto& [name, value] : given.items()) {
      if (std::ranges::find(specs, name, &ParamSpec::name) == specs.end()) {
        return Fail(ErrorCode::kInvalidArgument,
                    "The parameter " + Quote(name) + " is unknown: " + TakesSentence(specs));
      }
      params.values_.emplace(name, value);
    }
  }
  for (const ParamSpec& spec : specs) {
    static const Json kAbsent;
    const Json* value = params.Find(spec.name);
    if (auto sound = CheckParam(spec, value == nullptr ? kAbsent : *value); !sound) {
      return tl::unexpected(sound.error());
    }
  }
  return params;
}

const Json* Params::Find(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() || found->second.is_null() ? nullptr : &found->second;
}

Result<std::uint64_t> Params::Number(std::string_view name) const {
  const Json* value = Find(name);
  if (!value)
    return Fail(ErrorCode::kInvalidArgument, "The parameter " + Quote(name) + " is missing.");
  if (value->is_number_unsigned() ||
      (value->is_number_integer() && value->get<std::int64_t>() >= 0)) {
    return value->get<std::uint64_t>();
  }
  if (value->is_string()) {
    const auto& text = value->get_ref<const std::string&>();
    std::uint64_t number = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error == std::errc() && end == last) return number;
  }
  return Fail(ErrorCode::kInvalidArgument,
              "The parameter " + Quote(name) + " must be a whole number from 0 to 2^64 - 1.");
}

Result<std::uint64_t> Params::Number(std::string_view name, std::uint64_t otherwise) const {
  return has(name) ? Number(name) : otherwise;
}

Result<const std::string*> Params::TextOf(std::string_view name) const {
  const Json* value = Find(name);
  if (!value)
    return Fail(ErrorCode::kInvalidArgument, "The parameter " + Quote(name) + " is missing.");
  if (!value->is_string()) {
    return Fail(ErrorCode::kInvalidArgument, "The parameter " + Quote(name) + " must be a string.");
  }
  return value->get_ptr<const std::string*>();
}

Result<std::string> Params::Text(std::string_view name, std::size_t bytes_max) const {
  const auto text = TextOf(name);
  if (!text) return tl::unexpected(text.error());
  if ((*text)->size() > bytes_max) {
    return Fail(ErrorCode::kInvalidArgument, "The parameter " + Quote(name) + " is longer than " +
                                                 std::to_string(bytes_max) + " bytes.");
  }
  return **text;
}

Result<proto::Bytes> Params::Hex(std::string_view name, std::size_t bytes_max) const {
  const auto text = TextOf(name);
  if (!text) return tl::unexpected(text.error());
  if ((*text)->size() / 2 > bytes_max) {
    return Fail(ErrorCode::kInvalidArgument, "The parameter " + Quote(name) + " is longer than " +
                                                 std::to_string(bytes_max) + " bytes.");
  }
  auto bytes = proto::FromHex(**text);
  if (!bytes) {
    return Fail(ErrorCode::kInvalidArgument,
                "The parameter " + Quote(name) + " must be an even number of hexadecimal digits.");
  }
  return *bytes;
}

Result<proto::Bytes> Params::HexOf(std::string_view name, std::size_t size) const {
  auto bytes = Hex(name, size);
  if (!bytes || bytes->size() == size) return bytes;
  return Fail(ErrorCode::kInvalidArgument, "The parameter " + Quote(name) + " must be " +
                                               std::to_string(size) +
                                               " bytes in hexadecimal digits.");
}

Json Params::Without(std::string_view name) const {
  Json given = Json::object();
  for (const auto& [key, value] : values_) {
    if (key != name && !value.is_null()) given[key] = value;
  }
  return given;
}

Result<bool> Params::Flag(std::string_view name) const {
  const Json* value = Find(name);
  if (!value) return false;
  if (value->is_boolean()) return value->get<bool>();
  return Fail(ErrorCode::kInvalidArgument,
              "The parameter " + Quote(name) + " must be true or false.");
}

Result<proto::Digest> Params::Digest(std::string_view name) const {
  const auto bytes = HexOf(name, sizeof(proto::Digest::bytes));
  if (!bytes) return tl::unexpected(bytes.error());
  return proto::Digest::From(*bytes);
}

JsonRpc::JsonRpc() {
  specs_.push_back({.name = "rpc.discover",
                    .about = "What this interface offers.",
                    .result = "This OpenRPC document."});
  methods_.emplace(specs_[0].name, Entry{0, {}});  // Invoke() knows it.
}

void JsonRpc::Add(MethodSpec spec, Method method) {
  CHECK(method);
  if (spec.provable) {
    spec.params.push_back({"prove", ParamType::kFlag,
                           "Answer {question, answer, proof}, of the newest signed block.", false});
  }
  const bool added = methods_.emplace(spec.name, Entry{specs_.size(), std::move(method)}).second;
  CHECK(added);
  specs_.push_back(std::move(spec));
}

Result<Json> JsonRpc::Call(const std::string& name, const Json& params) const {
  const auto method = methods_.find(name);
  if (method != methods_.end()) return Invoke(method->second, params);
  return Fail(ErrorCode::kInvalidArgument, "There is no method " + Quote(name) + ".");
}

std::string JsonRpc::Handle(std::string_view body) const {
  const auto refuse = [](RpcCode code, const std::string& message) {
    return FormatJson(ErrorAnswer(code, message, nullptr));
  };
  const auto request = ParseJson(body);
  if (!request) return refuse(RpcCode::kParseError, request.error().message);
  if (!request->is_array()) {
    const auto answer = HandleOne(*request);
    return answer ? FormatJson(*answer) : "";
  }
  if (request->empty()) return refuse(RpcCode::kInvalidRequest, "The batch is empty.");
  if (request->size() > kBatchMax) {
    return refuse(RpcCode::kInvalidRequest,
                  "A batch has at most " + std::to_string(kBatchMax) + " requests.");
  }
  std::string answers;
  for (const Json& one : *request) {
    const bool full = answers.size() > kBatchAnswerBytesMax;
    const std::optional<Json> answer =
        full ? ErrorAnswer(RpcCode::kExhausted,
                           "The batch's answers are too long: ask for this one alone.", IdOf(one))
             : HandleOne(one);
    if (answer) answers += (answers.empty() ? "[" : ",") + FormatJson(*answer);
  }
  return answers.empty() ? "" : answers + "]";
}

std::optional<Json> JsonRpc::HandleOne(const Json& request) const {
  if (!request.is_object()) {
    return ErrorAnswer(RpcCode::kInvalidRequest, "A request is a JSON object.", nullptr);
  }
  const auto id = request.find("id");
  if (id != request.end() && !IsId(*id)) {
    return ErrorAnswer(RpcCode::kInvalidRequest, "An id is a number, a short string or null.",
                       nullptr);
  }
  const Json answer_id = IdOf(request);
  const auto version = request.find("jsonrpc");
  if (version == request.end() || *version != "2.0") {
    return ErrorAnswer(RpcCode::kInvalidRequest, "A request says \"jsonrpc\": \"2.0\".", answer_id);
  }
  const auto name = request.find("method");
  if (name == request.end() || !name->is_string()) {
    return ErrorAnswer(RpcCode::kInvalidRequest, "A request names its method in a string.",
                       answer_id);
  }
  const auto given = request.find("params");
  if (given != request.end() && !given->is_structured()) {
    return ErrorAnswer(RpcCode::kInvalidRequest, "The params are an object or an array.",
                       answer_id);
  }
  const auto method = methods_.find(name->get_ref<const std::string&>());
  std::optional<Json> answer;
  if (method == methods_.end()) {
    answer = ErrorAnswer(RpcCode::kMethodNotFound,
                         "There is no method " + Quote(name->get_ref<const std::string&>()) + ".",
                         answer_id);
  } else {
    auto result = Invoke(method->second, given == request.end() ? Json::object() : *given);
    answer = result
                 ? Json{{"jsonrpc", "2.0"}, {"result", std::move(*result)}, {"id", answer_id}}
                 : ErrorAnswer(ToRpcCode(result.error().code), result.error().message, answer_id);
  }
  if (id == request.end()) return std::nullopt;
  return answer;
}

// The last resort: a method that throws (memory, above all) costs its caller an error, not the
// validator its life.
Result<Json> JsonRpc::Invoke(const Entry& entry, const Json& given) const {
  auto params = Params::From(given, specs_[entry.spec].params);
  if (!params) return tl::unexpected(params.error());
  if (entry.spec == 0) return OpenRpcDocument(specs_);
  try {
    return entry.method(*params);
  } catch (const std::exception&) {
    return Fail(ErrorCode::kUnavailable, "The method failed inside; the node's log may tell more.");
  }
}

}  // namespace node
