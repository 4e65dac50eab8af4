// What strangers reach: JSON-RPC, HTTP; and what peers reach first: frames.

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "node/net/frame.h"
#include "node/rpc/address.h"
#include "node/rpc/json_rpc.h"
#include "node/rpc/server.h"
#include "proto/base/check.h"
#include "tests/fuzz/targets.h"

namespace fuzz {

namespace {

using node::Json;
using proto::Bytes;
using proto::ByteSpan;

const node::JsonRpc& Table() {
  static const node::JsonRpc table = [] {
    node::JsonRpc rpc;
    using node::ParamType;
    rpc.Add({.name = "number",
             .params = {{"a", ParamType::kNumber}, {"b", ParamType::kNumber, "", false}}},
            [](const node::Params& params) -> proto::Result<Json> {
              const auto a = params.Number("a");
              if (!a) return tl::unexpected(a.error());
              const auto b = params.Number("b", 7);
              if (!b) return tl::unexpected(b.error());
              return Json(*a ^ *b);
            });
    rpc.Add({.name = "bytes",
             .params = {{"hex", ParamType::kHex}, {"text"}, {"digest", ParamType::kHex32}},
             .provable = true},
            [](const node::Params& params) -> proto::Result<Json> {
              const auto hex = params.Hex("hex", 100);
              if (!hex) return tl::unexpected(hex.error());
              const auto text = params.Text("text", 100);
              if (!text) return tl::unexpected(text.error());
              const auto digest = params.Digest("digest");
              if (!digest) return tl::unexpected(digest.error());
              return Json{{"hex", proto::ToHex(*hex)}, {"text", *text}, {"digest", digest->hex()}};
            });
    return rpc;
  }();
  return table;
}

void RunJsonRpc(ByteSpan input) {
  const std::string answer = Table().Handle(proto::AsText(input));
  if (answer.empty()) return;
  const auto json = node::ParseJson(answer);
  CHECK(json.has_value());
  CHECK(json->is_object() || json->is_array());
}

std::vector<Bytes> JsonRpcSeeds() {
  const std::string digest(64, 'a');
  return {AsSeed(R"({"jsonrpc":"2.0","id":1,"method":"number","params":{"a":5,"b":"6"}})"),
          AsSeed(R"({"jsonrpc":"2.0","id":"x","method":"bytes","params":["00ff","t\u00e9",")" +
                 digest + "\"]}"),
          AsSeed(R"([{"jsonrpc":"2.0","method":"number","params":[1]},{"id":null},3])")};
}

// A real server on a real socket.
struct Server {
  Server()
      : server("127.0.0.1:0",
               node::RpcHandlers{
                   .call = [](std::string_view body) { return Table().Handle(body); },
                   .invoke = [](const std::string& method,
                                const node::Json& params) { return Table().Call(method, params); },
                   .why_not_ready = [] { return std::nullopt; },
                   .metrics = [] { return std::string("m 1\n"); },
                   .submit =
                       [](std::string_view body) {
                         return node::HttpPage{200, std::to_string(body.size())};
                       },
                   .blocks =
                       [](std::string_view path) {
                         return node::HttpPage{404, std::string(path), "application/octet-stream"};
                       }}) {
    CHECK(server.Start().has_value());
  }
  int Dial() const {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<std::uint16_t>(server.port()));
    const int file = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(file >= 0);
    CHECK(::connect(file, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
    // No TIME-WAIT: thousands of connections a second would run out of ports.
    const linger at_once{1, 0};
    ::setsockopt(file, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    const timeval patience{5, 0};
    ::setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return file;
  }

  node::RpcServer server;
};

void RunHttp(ByteSpan input) {
  static const Server server;
  const int file = server.Dial();
  (void)!::send(file, input.data(), input.size(), MSG_NOSIGNAL);
  ::shutdown(file, SHUT_WR);
  char answer[4096];
  ssize_t size = 0;
  do {
    size = ::recv(file, answer, sizeof answer, 0);
  } while (size > 0 || (size < 0 && errno == EINTR));  // libFuzzer's clock interrupts.
  CHECK(size == 0 || errno == ECONNRESET);  // Not a time-out: every end is answered by an end.
  ::close(file);
}

// An upgrade, then a text frame under a mask of zeros, a ping and an end.
Bytes WebSocketSeed() {
  Bytes seed = AsSeed(
      "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
  const std::string call =
      R"({"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"method":"number"}})";
  const Bytes head = {0x81, static_cast<std::uint8_t>(0x80 | call.size()), 0, 0, 0, 0};
  const Bytes end = {0x89, 0x80, 0, 0, 0, 0, 0x88, 0x80, 0, 0, 0, 0};
  for (const Bytes& part : {head, AsSeed(call), end}) {
    seed.insert(seed.end(), part.begin(), part.end());
  }
  return seed;
}

// What a client of gRPC begins with: its preface, settings, and headers that end the stream.
std::string Http2Seed() {
  using std::string_literals::operator""s;
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"s + "\0\0\0\4\0\0\0\0\0"s +
         "\0\0\3\1\5\0\0\0\1\x83\x86\x84"s;
}

std::vector<Bytes> HttpSeeds() {
  return {
      AsSeed("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"),
      AsSeed("GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /ready HTTP/1.1\r\n\r\n"),
      AsSeed("GET /blocks/12?x HTTP/1.0\r\n\r\n"),
      AsSeed("POST /transactions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
             "\r\n"),
      AsSeed("POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n[1]"),
      WebSocketSeed(),
      AsSeed(Http2Seed())};
}

void RunAddress(ByteSpan input) {
  const auto address = node::ParseAddress(proto::AsText(input));
  if (address) CHECK(!address->port.empty() && address->port.size() <= 5);
}

std::vector<Bytes> AddressSeeds() {
  return {AsSeed("http://127.0.0.1:8545/"), AsSeed("[::1]:80"), AsSeed("validator-2:1")};
}

void RunFrames(ByteSpan input) {
  constexpr std::size_t kLimit = 4096;
  node::Assembler assembler(kLimit);
  Script script(input);
  while (!script.empty()) {
    const std::uint64_t more = script.Byte() % 4 == 0 ? script.Number() : script.Below(300);
    const auto message = assembler.Add(script.Take(script.Below(300)), more);
    if (!message) return;
    if (*message) CHECK((*message)->size() <= kLimit);
  }
}

std::vector<Bytes> FramesSeeds() {
  return {{1, 2, 0, 3, 0, 7, 7, 7, 1, 0, 0, 2, 0, 7, 7},
          {0, 255, 255, 255, 255, 255, 255, 255, 255}};
}

}  // namespace

std::vector<Target> InterfaceTargets() {
  return {{"json_rpc", RunJsonRpc, JsonRpcSeeds},
          {"http", RunHttp, HttpSeeds},
          {"address", RunAddress, AddressSeeds},
          {"frames", RunFrames, FramesSeeds}};
}

}  // namespace fuzz
