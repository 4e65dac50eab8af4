#include "mpc/model/json.h"

#include <algorithm>
#include <string_view>

namespace mpc {

namespace {

using nlohmann::json;

struct Structure {
  std::size_t depth = 0;    // Of the deepest value.
  std::size_t members = 0;  // Of all objects.
  std::size_t values = 0;   // Those after another, of which there are few less than of all.
};

// Of JSON; of anything else, some numbers.
Structure StructureOf(std::string_view text) {
  Structure structure;
  std::size_t depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == ':') {
      ++structure.members;
    } else if (c == ',') {
      ++structure.values;
    } else if (c == '[' || c == '{') {
      structure.depth = std::max(structure.depth, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return structure;
}

std::size_t Members(const json& value) {
  if (!value.is_structured()) return 0;
  std::size_t members = value.is_object() ? value.size() : 0;
  for (const json& one : value) members += Members(one);
  return members;
}

}  // namespace

json ParseJson(proto::ByteSpan bytes) {
  const std::string_view text = proto::AsText(bytes);
  const Structure structure = StructureOf(text);
  if (structure.depth > kJsonDepthMax || structure.values > kJsonValuesMax) {
    return json(json::value_t::discarded);
  }
  return json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

bool NamesTwice(proto::ByteSpan bytes, const json& parsed) {
  return Members(parsed) != StructureOf(proto::AsText(bytes)).members;
}

const json& JsonField(const json& from, const char* name) {
  static const json kNull;
  if (!from.is_object()) return kNull;
  const auto found = from.find(name);
  return found == from.end() ? kNull : *found;
}

}  // namespace mpc
