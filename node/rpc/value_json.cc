#include "node/rpc/value_json.h"

#include <vector>

#include "proto/base/bytes.h"
#include "proto/base/check.h"

namespace node {

using google::protobuf::FieldDescriptor;
using google::protobuf::Value;
using nlohmann::json;

proto::Result<json> ParamsOf(const google::protobuf::Message& call) {
  const auto& reflection = *call.GetReflection();
  if (!reflection.GetUnknownFields(call).empty()) {
    return proto::Fail(proto::ErrorCode::kInvalidArgument,
                       "The call has a field that " + call.GetDescriptor()->name() +
                           " does not have: its schema is another one.");
  }
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(call, &fields);
  json params = json::object();
  for (const FieldDescriptor* field : fields) {
    json& param = params[field->name()];
    switch (field->type()) {
      case FieldDescriptor::TYPE_UINT64:
        param = reflection.GetUInt64(call, field);
        break;
      case FieldDescriptor::TYPE_BOOL:
        param = reflection.GetBool(call, field);
        break;
      case FieldDescriptor::TYPE_STRING:
        param = reflection.GetString(call, field);
        break;
      case FieldDescriptor::TYPE_BYTES: {
        std::string copy;
        param = proto::ToHex(proto::AsBytes(reflection.GetStringReference(call, field, &copy)));
        break;
      }
      default:
        CHECK(false);  // ClientSchema makes no other.
    }
  }
  return params;
}

void ToValue(const json& from, Value& to) {
  switch (from.type()) {
    case json::value_t::boolean:
      return to.set_bool_value(from.get<bool>());
    case json::value_t::string:
      return to.set_string_value(from.get_ref<const std::string&>());
    case json::value_t::number_unsigned: {
      const auto number = from.get<std::uint64_t>();
      if (number > kExactMax) return to.set_string_value(std::to_string(number));
      return to.set_number_value(static_cast<double>(number));
    }
    case json::value_t::number_integer: {
      const auto number = from.get<std::int64_t>();
      const bool exact = number >= -static_cast<std::int64_t>(kExactMax) &&
                         number <= static_cast<std::int64_t>(kExactMax);
      if (!exact) return to.set_string_value(std::to_string(number));
      return to.set_number_value(static_cast<double>(number));
    }
    case json::value_t::number_float:
      return to.set_number_value(from.get<double>());
    case json::value_t::array: {
      auto& list = *to.mutable_list_value();
      for (const json& item : from) ToValue(item, *list.add_values());
      return;
    }
    case json::value_t::object: {
      auto& fields = *to.mutable_struct_value()->mutable_fields();
      for (const auto& [name, item] : from.items()) ToValue(item, fields[name]);
      return;
    }
    default:
      return to.set_null_value(google::protobuf::NULL_VALUE);
  }
}

}  // namespace node
