#include "node/rpc/address.h"

#include <gtest/gtest.h>

namespace node {
namespace {

TEST(Address, TakesWhatOperatorsWrite) {
  for (const auto& [text, host, port] :
       std::vector<std::array<std::string, 3>>{{"127.0.0.1:8545", "127.0.0.1", "8545"},
                                               {"localhost:0", "localhost", "0"},
                                               {"localhost:0000080", "localhost", "80"},
                                               {"[::1]:65535", "::1", "65535"},
                                               {"http://validator-2:80/", "validator-2", "80"}}) {
    const auto address = ParseAddress(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->host, host);
    EXPECT_EQ(address->port, port);
  }
}

TEST(Address, RefusesTheRestWithASentence) {
  for (const std::string text :
       {"", ":", "host", "host:", ":80", "host:65536", "host:-1", "host:8o", "::1:80", "[::1:80",
        "a b:80", "http://user@host:80", "https://host:80", "host:80/path", "host:80:90"}) {
    const auto address = ParseAddress(text);
    ASSERT_FALSE(address.has_value()) << text;
    EXPECT_NE(address.error().message.find("write host:port"), std::string::npos);
  }
  EXPECT_FALSE(ParseAddress(std::string(100000, 'a') + ":80").has_value());
}

}  // namespace
}  // namespace node
