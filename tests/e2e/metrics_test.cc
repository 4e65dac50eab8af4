// What docker/ tells an operator's monitoring to watch is what validators serve.

#include <regex>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "node/loop/files.h"
#include "node/rpc/client.h"
#include "tests/e2e/network.h"

namespace e2e {
namespace {

std::set<std::string> NamesIn(const std::string& text) {
  static const std::regex kName("(waxseal|process)_[a-z_]+");
  std::set<std::string> names;
  for (std::sregex_iterator it(text.begin(), text.end(), kName), end; it != end; ++it) {
    names.insert(it->str());
  }
  return names;
}

TEST(Metrics, AlertsAndDashboardNameWhatIsServed) {
  const auto network = Network::Start("", 1);
  ASSERT_TRUE(network) << network.error().message;
  const auto page = node::Get((*network)->genesis().validators[0].rpc_address, "/metrics");
  ASSERT_TRUE(page) << page.error().message;
  const std::set<std::string> served = NamesIn(page->body);
  for (const char* file : {"alerts.yml", "dashboard.json"}) {
    const auto text = node::ReadFile(std::string(SOURCE_DIR "/docker/") + file, 1 << 20);
    ASSERT_TRUE(text) << text.error().message;
    const std::set<std::string> named = NamesIn(std::string(proto::AsText(*text)));
    EXPECT_GE(named.size(), 8u) << file;
    for (const std::string& name : named)
      EXPECT_TRUE(served.contains(name)) << file << ": " << name;
  }
}

}  // namespace
}  // namespace e2e
