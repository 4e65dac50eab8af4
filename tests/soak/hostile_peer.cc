#include "tests/soak/hostile_peer.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <random>
#include <thread>

#include "consensus/wave.h"
#include "node/inference/message.h"
#include "node/loop/config.h"
#include "node/loop/files.h"
#include "node/loop/key_file.h"
#include "node/net/network.h"
#include "proto/spec.h"
#include "proto/wire/consensus.h"
#include "proto/wire/epoch.h"

namespace soak {

namespace {

using node::Channel;
using proto::Bytes;
using proto::PartyId;
using proto::Result;

constexpr std::chrono::milliseconds kPause{20};  // Between two messages to everyone.
constexpr std::chrono::seconds kLinkLife{120};
constexpr std::size_t kLongMessageEvery = 500;

// Behind the number of the epoch, as validators frame what they send.
std::shared_ptr<const Bytes> Framed(const Bytes& message) {
  Bytes frame;
  proto::PutU64(frame, proto::kFirstEpoch);
  frame.insert(frame.end(), message.begin(), message.end());
  return std::make_shared<const Bytes>(std::move(frame));
}

class Hostile {
 public:
  Hostile(proto::Genesis genesis, node::KeyFile keys, PartyId self)
      : genesis_(std::move(genesis)), keys_(std::move(keys)), self_(self) {}

  // The next message, and the channel it goes to.
  std::pair<Channel, Bytes> Next() {
    ++count_;
    if (count_ % kLongMessageEvery == 0) return {Channel::kControl, Noise(std::size_t{15} << 20)};
    switch (count_ % 9) {
      case 0:
        return {Channel::kControl, proto::dag::Encode(FarHeader())};
      case 1:
        return {Channel::kControl, proto::dag::Encode(FalseCertificate())};
      case 2:
        return {Channel::kControl, proto::dag::Encode(UnwantedBatch())};
      case 3:
        return {Channel::kControl, proto::dag::Encode(Everything())};
      case 4:
        return {Channel::kControl, proto::dag::Encode(proto::dag::RangeRequest{random_() % 5000})};
      case 5:
        return {Channel::kControl, Noise(random_() % 4096)};
      case 6:
        return {Channel::kControl, proto::dag::Encode(FalseVote())};
      case 7:
        return {Channel::kBulk, Noise(random_() % (std::size_t{1} << 18))};
      default:
        return {Channel::kBulk, UnknownRequest()};
    }
  }

 private:
  Bytes Noise(std::size_t size) {
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random_());
    return bytes;
  }
  proto::Digest AnyDigest() {
    proto::Digest digest;
    for (auto& byte : digest.bytes) byte = static_cast<std::uint8_t>(random_());
    return digest;
  }

  proto::dag::Header FarHeader() {
    proto::dag::HeaderFields fields;
    fields.chain = proto::ChainId(genesis_);
    fields.epoch = proto::kFirstEpoch;
    fields.round = random_() % 2 == 0 ? random_() % 100'000 + 2 : random_() >> 1;
    fields.author = self_;
    for (std::uint16_t i = 0; i < genesis_.committee().quorum(); ++i) {
      fields.parents.push_back({fields.round - 1, PartyId{i}, AnyDigest()});
    }
    for (int i = 0; i < 32; ++i) fields.batches.push_back({AnyDigest(), 100'000});
    if (const auto wave = consensus::RevealedWave(fields.round)) {
      fields.coin_share = proto::MakeCoinShare(
          *keys_.coin, self_, proto::dag::CoinName(fields.chain, fields.epoch, *wave));
    }
    return proto::dag::SignHeader(std::move(fields), keys_.validator);
  }
  proto::dag::Certificate FalseCertificate() {
    proto::dag::Certificate certificate{FarHeader(), {}};
    for (std::uint16_t i = 0; i < genesis_.committee().quorum(); ++i) {
      certificate.votes.emplace_back(PartyId{i}, keys_.validator.Sign(AnyDigest()));
    }
    return certificate;
  }
  proto::dag::Vote FalseVote() {
    return {proto::kFirstEpoch,
            random_() % 100'000,
            PartyId{0},
            AnyDigest(),
            self_,
            keys_.validator.Sign(AnyDigest())};
  }
  proto::dag::Batch UnwantedBatch() {
    return proto::dag::MakeBatch({Noise(random_() % 200'000 + 1), Noise(random_() % 200'000 + 1)});
  }
  proto::dag::Request Everything() {
    proto::dag::Request request;
    for (std::size_t i = 0; i < proto::dag::kRequestItemsMax / 2; ++i) {
      request.certificates.push_back({random_() % 5000, PartyId{0}, AnyDigest()});
      request.batches.push_back(AnyDigest());
    }
    return request;
  }
  Bytes UnknownRequest() {
    proto::Opening opening;
    opening.request = random_();
    opening.exchange = static_cast<std::uint32_t>(random_() % 1000);
    opening.values = Noise(16 * (random_() % 4096));
    return node::Encode(node::InferenceMessage(proto::SessionMessage(opening)));
  }

  const proto::Genesis genesis_;
  const node::KeyFile keys_;
  const PartyId self_;
  std::mt19937_64 random_{20'261'122};
  std::uint64_t count_ = 0;
};

}  // namespace

Result<> PlayHostilePeer(const std::string& home) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const auto config = node::ReadConfig(home);
  if (!config) return tl::unexpected(config.error());
  const auto text = node::ReadFile(config->Path(config->genesis));
  if (!text) return tl::unexpected(text.error());
  const auto genesis = proto::ParseGenesis(proto::AsText(*text));
  if (!genesis) return tl::unexpected(genesis.error());
  auto keys = node::ReadKeyFile(config->Path(config->keys));
  if (!keys) return tl::unexpected(keys.error());
  const node::TlsIdentity identity{keys->tls_certificate_pem, keys->tls_key_pem};
  std::vector<node::PeerInfo> peers;
  PartyId self{};
  for (std::uint16_t i = 0; i < genesis->validators.size(); ++i) {
    const proto::ValidatorSpec& spec = genesis->validators[i];
    if (spec.key == keys->validator.public_key()) {
      self = PartyId{i};
    } else {
      peers.push_back(
          {PartyId{i}, spec.peer_address, spec.certificate, spec.key, spec.certificate_signature});
    }
  }
  Hostile hostile(*genesis, std::move(*keys), self);
  const timespec no_time{0, 0};
  while (sigtimedwait(&signals, nullptr, &no_time) < 0) {
    node::Network network(self, identity, peers, config->peer_listen,
                          {[](PartyId, Channel, Bytes&) { return true; }, [](PartyId, Channel) {},
                           [](PartyId, Channel) {}});
    if (auto started = network.Start(); !started) return started;
    const auto end = std::chrono::steady_clock::now() + kLinkLife;
    while (std::chrono::steady_clock::now() < end) {
      const auto [channel, message] = hostile.Next();
      const auto bytes = Framed(message);
      for (const auto& peer : peers) network.Send(peer.id, channel, bytes);
      std::this_thread::sleep_for(kPause);
      if (sigtimedwait(&signals, nullptr, &no_time) >= 0) return {};
    }
  }
  return {};
}

}  // namespace soak
