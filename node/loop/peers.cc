#include "node/loop/peers.h"

#include <algorithm>
#include <set>
#include <utility>

#include <spdlog/spdlog.h>

namespace node {

using proto::PartyId;
using proto::ValidatorSpec;

proto::Result<> Peers::Become(const TlsIdentity& identity,
                              const std::vector<ValidatorSpec>& validators) {
  if (identity.certificate_pem == asked_as_ && validators == asked_) return {};
  std::vector<ValidatorSpec> sound;
  std::set<std::string> certificates;
  for (const ValidatorSpec& validator : validators) {
    const bool pinned =
        CheckCertificate(validator.certificate).has_value() &&
        Vouches(validator.key, validator.certificate, validator.certificate_signature) &&
        certificates.insert(validator.certificate).second;
    if (pinned) {
      sound.push_back(validator);
      sound.back().coin_key = {};  // Changes with each epoch, and is nothing to the network.
    } else {
      spdlog::warn("{} has no certificate that can be pinned: no link to it", validator.name);
    }
  }
  asked_ = validators;
  asked_as_ = identity.certificate_pem;
  if (sound == wanted_) return {};
  wanted_ = sound;
  Stop();
  const auto own = std::ranges::find(sound, identity.certificate_pem, &ValidatorSpec::certificate);
  if (own == sound.end() || sound.size() < 2) return {};
  auto active = std::make_shared<Active>();
  active->validators = sound;
  std::vector<PeerInfo> infos;
  for (std::size_t i = 0; i < sound.size(); ++i) {
    if (sound[i].key == own->key) continue;
    infos.push_back({static_cast<PartyId>(i), sound[i].peer_address, sound[i].certificate,
                     sound[i].key, sound[i].certificate_signature});
  }
  active->network = std::make_unique<Network>(
      static_cast<PartyId>(own - sound.begin()), identity, std::move(infos),
      listen_address_.empty() ? own->peer_address : listen_address_,
      Network::Callbacks{[this, sound](PartyId from, Channel channel, proto::Bytes& bytes) {
                           return callbacks_.on_message(sound[Index(from)].key, channel, bytes);
                         },
                         [this, sound](PartyId party, Channel channel) {
                           spdlog::debug("connected to {} ({})", sound[Index(party)].name,
                                         Name(channel));
                           callbacks_.on_connected(sound[Index(party)].key, channel);
                         },
                         [sound](PartyId party, Channel channel) {
                           spdlog::info("lost {} ({})", sound[Index(party)].name, Name(channel));
                         }});
  // Who sends before the links are there waits for them.
  const std::lock_guard lock(mutex_);
  auto started = active->network->Start();
  if (started) {
    active_ = std::move(active);
  } else {
    wanted_.clear();
    asked_.clear();
  }
  return started;
}

void Peers::Send(const proto::PublicKey& to, Channel channel,
                 std::shared_ptr<const proto::Bytes> message) {
  std::shared_ptr<Active> active;
  {
    const std::lock_guard lock(mutex_);
    active = active_;
  }
  if (!active) return;
  const auto& validators = active->validators;
  const auto peer = std::ranges::lower_bound(validators, to, {}, &ValidatorSpec::key);
  if (peer == validators.end() || peer->key != to) return;
  active->network->Send(static_cast<PartyId>(peer - validators.begin()), channel,
                        std::move(message));
}

void Peers::Stop() {
  std::shared_ptr<Active> active;
  {
    const std::lock_guard lock(mutex_);
    active = std::exchange(active_, nullptr);
  }
  if (active) active->network->Stop();
}

std::vector<PeerLink> Peers::status() const {
  std::shared_ptr<Active> active;
  {
    const std::lock_guard lock(mutex_);
    active = active_;
  }
  std::vector<PeerLink> links;
  if (!active) return links;
  for (const PeerStatus& peer : active->network->peers()) {
    PeerLink link{active->validators[Index(peer.id)].name, peer.address, true, 0, 0, ""};
    for (const ChannelStatus& channel : peer.channels) {
      link.up = link.up && channel.outgoing;
      link.bytes_sent += channel.bytes_sent;
      link.bytes_received += channel.bytes_received;
      if (!channel.outgoing) link.last_error = channel.last_error;
    }
    links.push_back(std::move(link));
  }
  return links;
}

std::size_t Peers::connected() const {
  const auto links = status();
  return static_cast<std::size_t>(std::ranges::count(links, true, &PeerLink::up));
}

}  // namespace node
