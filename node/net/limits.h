// Every bound of the validators' network, in one place.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace node {

// Two streams a direction, on connections of their own, so that bulk never delays consensus.
enum class Channel : std::uint8_t { kControl, kBulk };
inline constexpr std::array<Channel, 2> kChannels{Channel::kControl, Channel::kBulk};

constexpr const char* Name(Channel channel) {
  return channel == Channel::kControl ? "control" : "bulk";
}

inline constexpr std::size_t kMiB = std::size_t{1} << 20;

inline constexpr std::size_t kFrameBytesMax = kMiB;          // The data of one frame.
inline constexpr std::size_t kFrameOverheadMax = 64;         // Its tags and lengths.
inline constexpr std::size_t kQueueOverheadPerMessage = 64;  // So that empty messages count.

// What a peer may send before it is read, of each stream. Fixed: gRPC's estimate of what the line
// holds costs a ping and two timers for every few messages.
inline constexpr int kWindowBytes = 4 << 20;
// Connections at the port that no member has proved to be its own, and those of one member; beyond
// these the oldest is cut (acceptor.h).
inline constexpr std::size_t kStrangersMax = 128;
inline constexpr std::size_t kConnectionsPerPeerMax = 8;
// A message that the host did not take is offered again after this.
inline constexpr std::chrono::milliseconds kOfferAgainMs{5};

struct ChannelLimits {
  // One message. It also bounds what a peer can make us hold: one message a channel is assembled at
  // a time, so a peer occupies at most the sum over the channels (1040 MiB) and its flow-control
  // windows.
  std::size_t message_bytes_max;
  // What may wait for one peer. Beyond it the peer is too slow: the stream is dropped, the queue
  // with it.
  std::size_t queue_bytes_max;
};

struct Limits {
  ChannelLimits control{16 * kMiB, 64 * kMiB};
  ChannelLimits bulk{1024 * kMiB, 2048 * kMiB};

  // The pause before dialling again doubles from the first to the second; a stream that lasted
  // longer than the second begins anew.
  std::chrono::milliseconds redial_ms_min{50};
  std::chrono::milliseconds redial_ms_max{2000};
  // From dialling to the peer's acceptance: name, TCP, TLS and the peer's own check. Generous,
  // since a peer that computes on all cores answers late.
  std::chrono::milliseconds dial_ms_max{10000};

  const ChannelLimits& of(Channel channel) const {
    return channel == Channel::kControl ? control : bulk;
  }
};

}  // namespace node
