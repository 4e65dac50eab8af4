#include "node/rpc/address.h"

#include <charconv>
#include <cstdint>
#include <string>

namespace node {

proto::Result<Address> ParseAddress(std::string_view text) {
  constexpr std::string_view kScheme = "http://";
  constexpr std::size_t kAddressMax = 300;
  const auto refuse = [text] {
    return proto::Fail(proto::ErrorCode::kInvalidArgument,
                       "'" + std::string(text.substr(0, kAddressMax)) +
                           "' is not an address: write host:port, as in 127.0.0.1:8545.");
  };
  std::string_view rest = text;
  if (rest.starts_with(kScheme)) rest.remove_prefix(kScheme.size());
  if (rest.ends_with('/')) rest.remove_suffix(1);
  const std::size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || rest.size() > kAddressMax) return refuse();
  std::string_view host = rest.substr(0, colon);
  const std::string_view port = rest.substr(colon + 1);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || host.find_first_of("/@?# []\r\n\t") != std::string_view::npos ||
      (!bracketed && host.find(':') != std::string_view::npos)) {
    return refuse();
  }
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  if (error != std::errc() || end != port.data() + port.size()) return refuse();
  return Address{std::string(host), std::to_string(number)};
}

}  // namespace node
