#include "node/loop/config.h"

#include <map>
#include <set>
#include <sstream>
#include <utility>

#include <toml++/toml.h>

#include "node/loop/files.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kConfigBytesMax = 1 << 16;
constexpr std::int64_t kDelayMsMax = 60'000;
constexpr std::int64_t kRetainRoundsMax = 1'000'000'000;

struct Number {
  std::uint32_t* value;
  std::int64_t max;
};

}  // namespace

std::string Config::Path(const std::string& name) const {
  return name.starts_with('/') ? name : home + "/" + name;
}

Result<Config> ReadConfig(const std::string& home) {
  const std::string path = home + "/node.toml";
  const auto bytes = ReadFile(path, kConfigBytesMax);
  if (!bytes) {
    return Fail(bytes.error().code,
                bytes.error().message + "; make a home with: waxseal init --home " + home);
  }
  toml::table table;
  try {
    table = toml::parse(proto::AsText(*bytes), path);
  } catch (const toml::parse_error& error) {
    return Fail(ErrorCode::kInvalidArgument, path + ": " + std::string(error.description()));
  }
  Config config;
  config.home = home;
  const std::map<std::string, std::string*> texts = {{"genesis", &config.genesis},
                                                     {"keys", &config.keys},
                                                     {"data", &config.data},
                                                     {"models", &config.models},
                                                     {"peer_listen", &config.peer_listen},
                                                     {"rpc_listen", &config.rpc_listen},
                                                     {"log_level", &config.log_level}};
  const std::map<std::string, Number> numbers = {
      {"header_delay_ms", {&config.header_delay_ms, kDelayMsMax}},
      {"idle_delay_ms", {&config.idle_delay_ms, kDelayMsMax}},
      {"link_delay_ms", {&config.link_delay_ms, kDelayMsMax}},
      {"retain_rounds", {&config.retain_rounds, kRetainRoundsMax}}};
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    if (const auto text = texts.find(name); text != texts.end()) {
      const auto value = node.value_exact<std::string>();
      if (!value) return Fail(ErrorCode::kInvalidArgument, path + ": " + name + " must be a text");
      *text->second = *value;
    } else if (const auto number = numbers.find(name); number != numbers.end()) {
      const auto value = node.value_exact<std::int64_t>();
      if (!value || *value < 1 || *value > number->second.max) {
        return Fail(ErrorCode::kInvalidArgument, path + ": " + name +
                                                     " must be a number from 1 to " +
                                                     std::to_string(number->second.max));
      }
      *number->second.value = static_cast<std::uint32_t>(*value);
    } else if (name == "fsync") {
      const auto value = node.value_exact<bool>();
      if (!value) {
        return Fail(ErrorCode::kInvalidArgument, path + ": fsync must be true or false");
      }
      config.fsync = *value;
    } else {
      return Fail(ErrorCode::kInvalidArgument, path + ": there is no setting " + name);
    }
  }
  static const std::set<std::string> kLevels = {"trace", "debug", "info", "warn", "error"};
  if (!kLevels.count(config.log_level)) {
    return Fail(ErrorCode::kInvalidArgument,
                path + ": log_level is one of trace, debug, info, warn, error");
  }
  return config;
}

std::string FormatConfig(const Config& config) {
  std::ostringstream out;
  out << "# A validator's settings; paths are relative to this file's directory.\n"
      << "genesis = \"" << config.genesis << "\"\n"
      << "keys = \"" << config.keys << "\"\n"
      << "data = \"" << config.data << "\"\n"
      << "models = \"" << config.models << "\"\n"
      << "peer_listen = \"" << config.peer_listen << "\"  # empty: as in the genesis document\n"
      << "rpc_listen = \"" << config.rpc_listen << "\"\n"
      << "header_delay_ms = " << config.header_delay_ms << "  # while transactions wait\n"
      << "idle_delay_ms = " << config.idle_delay_ms << "    # while none do\n"
      << (config.link_delay_ms == 0
              ? ""
              : "link_delay_ms = " + std::to_string(config.link_delay_ms) + "  # for benchmarks\n")
      << "retain_rounds = " << config.retain_rounds << "  # of certificates, for those behind\n"
      << (config.fsync ? "" : "fsync = false  # dangerous: for benchmarks\n") << "log_level = \""
      << config.log_level << "\"\n";
  return out.str();
}

}  // namespace node
