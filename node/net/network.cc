#include "node/net/network.h"

#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

#include <absl/synchronization/mutex.h>
#include <grpc/support/log.h>
#include <grpcpp/grpcpp.h>

#include "node/net/link.h"
#include "node/net/listener.h"
#include "proto/base/check.h"

namespace node {

using proto::ErrorCode;
using proto::Fail;
using proto::PartyId;
using proto::Result;

struct Network::State {
  PartyId self;
  TlsIdentity identity;
  std::map<PartyId, PeerInfo> peers;
  std::string listen_address;
  Callbacks callbacks;
  Limits limits;

  std::unique_ptr<Listener> listener;
  std::map<std::pair<PartyId, Channel>, std::unique_ptr<Link>> links;  // Filled by Start().

  // The peers' names for the handshake, their certificates being sound and vouched for.
  Result<std::map<PartyId, std::string>> CheckPeers() const;
  std::unique_ptr<Link> MakeLink(const PeerInfo& peer, const std::string& name, Channel channel);
};

Result<std::map<PartyId, std::string>> Network::State::CheckPeers() const {
  std::map<PartyId, std::string> names;
  std::map<std::string, PartyId> owners{{identity.certificate_pem, self}};
  for (const auto& [id, peer] : peers) {
    const std::string who = "Peer " + std::to_string(Index(id)) + " (" + peer.address + "): ";
    auto name = CheckCertificate(peer.certificate_pem);
    if (!name) return Fail(name.error().code, who + name.error().message);
    if (!Vouches(peer.key, peer.certificate_pem, peer.signature)) {
      return Fail(ErrorCode::kDenied, who + "The validator's key did not sign its certificate.");
    }
    if (!owners.emplace(peer.certificate_pem, id).second) {
      return Fail(ErrorCode::kInvalidArgument, who + "Another member has the same certificate.");
    }
    names.emplace(id, std::move(*name));
  }
  return names;
}

std::unique_ptr<Link> Network::State::MakeLink(const PeerInfo& peer, const std::string& name,
                                               Channel channel) {
  const grpc::SslCredentialsOptions options{peer.certificate_pem, identity.key_pem,
                                            identity.certificate_pem};
  const PartyId id = peer.id;
  return std::make_unique<Link>(
      listener->poller(), Link::Peer{peer.address, name, grpc::SslCredentials(options)}, channel,
      limits,
      Link::Events{[this, id, channel] { callbacks.on_connected(id, channel); },
                   [this, id, channel] { callbacks.on_disconnected(id, channel); }});
}

Network::Network(PartyId self, TlsIdentity identity, std::vector<PeerInfo> peers,
                 std::string listen_address, Callbacks callbacks, const Limits& limits)
    : state_(std::make_unique<State>()) {
  CHECK(callbacks.on_message && callbacks.on_connected && callbacks.on_disconnected);
  state_->self = self;
  state_->identity = std::move(identity);
  for (PeerInfo& peer : peers) {
    CHECK(peer.id != self);
    const PartyId id = peer.id;
    CHECK(state_->peers.emplace(id, std::move(peer)).second);
  }
  state_->listen_address = std::move(listen_address);
  state_->callbacks = std::move(callbacks);
  state_->limits = limits;
}

Network::~Network() {
  Stop();
}

void Network::Prepare() {
  ::setenv("GRPC_POLL_STRATEGY", "poll", 0);
}

Result<> Network::Start() {
  State& state = *state_;
  CHECK(!state.listener && state.links.empty());
  // gRPC would write lines to stderr for every stranger's port scan. What concerns us comes back as
  // a status, and stands in peers().
  gpr_set_log_function([](gpr_log_func_args*) {});
  // Debian's Abseil is built with assertions: each lock that gRPC takes would enter a global graph
  // of locks, to find cycles.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);

  if (auto own = CheckIdentity(state.identity); !own) return own;
  const auto names = state.CheckPeers();
  if (!names) return tl::unexpected(names.error());
  if (names->empty()) return {};

  std::map<PartyId, std::string> pinned;
  for (const auto& [id, peer] : state.peers) pinned.emplace(id, peer.certificate_pem);
  state.listener = std::make_unique<Listener>(state.identity, std::move(pinned), state.limits,
                                              state.callbacks.on_message);
  if (auto started = state.listener->Start(state.listen_address); !started) {
    state.listener.reset();
    return started;
  }
  // Links first, so that a callback may already send.
  for (const auto& [id, peer] : state.peers) {
    for (const Channel channel : kChannels) {
      state.links.emplace(std::pair(id, channel), state.MakeLink(peer, names->at(id), channel));
    }
  }
  state.listener->poller().Start();
  for (const auto& [key, link] : state.links) link->Start();
  return {};
}

void Network::Send(PartyId to, Channel channel, std::shared_ptr<const proto::Bytes> message) {
  const auto link = state_->links.find({to, channel});
  CHECK(link != state_->links.end());
  link->second->Send(std::move(message));
}

void Network::Stop() {
  for (const auto& [key, link] : state_->links) link->RequestStop();
  for (const auto& [key, link] : state_->links) link->Join();
  if (state_->listener) state_->listener->Stop();
}

int Network::port() const {
  return state_->listener ? state_->listener->port() : 0;
}

std::vector<PeerStatus> Network::peers() const {
  std::vector<PeerStatus> all;
  for (const auto& [id, peer] : state_->peers) {
    PeerStatus status{id, peer.address, {}};
    for (const Channel channel : kChannels) {
      const auto found = state_->links.find({id, channel});
      if (found == state_->links.end()) continue;  // Not started.
      const Link::Status out = found->second->status();
      const Listener::Status in = state_->listener->status(id, channel);
      status.channels[static_cast<std::size_t>(channel)] = {
          .outgoing = out.up,
          .incoming = in.up,
          .bytes_sent = out.bytes_sent,
          .bytes_received = in.bytes_received,
          .messages_sent = out.messages_sent,
          .messages_received = in.messages_received,
          .bytes_queued = out.bytes_queued,
          .connections = out.connections,
          .last_error = out.last_error.empty() ? in.last_error : out.last_error};
    }
    all.push_back(std::move(status));
  }
  return all;
}

}  // namespace node
