// JSON-RPC over a WebSocket, and subscriptions (subscription.h).
//
// A text message is what a POST to / may be, and is answered by one. `subscribe` and `unsubscribe`
// are calls that exist here alone; what a subscription tells are notifications:
//
//   > {"jsonrpc":"2.0","id":1,"method":"subscribe","params":{"method":"block"}}
//   < {"jsonrpc":"2.0","id":1,"result":{"subscription":1}}
//   < {"jsonrpc":"2.0","method":"event","params":{"subscription":1,"method":"block","answer":{...},
//      "next":20}}
//
// One thing at a time: a message is read when the answer to the one before is written, and events
// are made when nothing waits to be written. So a connection holds at most one message, its answer
// and kEventBytesMax of events, however slow its reader is. Who takes nothing for write_ms_max, or
// does not answer pings for idle_ms_max, is cut.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/http.hpp>

#include "node/rpc/guest.h"

namespace node {

inline constexpr std::size_t kSubscriptionsMax = 32;  // Of one connection.
// After which no further event is made before these are written.
inline constexpr std::size_t kEventBytesMax = std::size_t{1} << 20;

// Answers the upgrade that `request` asks for, and lives by itself from then on.
void StartWebSocket(RpcShared& shared, Seat seat, boost::asio::ip::tcp::socket socket,
                    boost::beast::http::request<boost::beast::http::string_body> request);

}  // namespace node
