#include "node/cli/genesis.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <thread>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>
#include <unistd.h>

#include "node/ceremony/genesis_ceremony.h"
#include "node/ceremony/proposal.h"
#include "node/cli/network_files.h"
#include "node/loop/config.h"
#include "node/loop/files.h"
#include "node/loop/key_file.h"
#include "node/loop/queue.h"
#include "node/net/network.h"

namespace node {

using genesis::Ceremony;
using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Genesis;
using proto::PartyId;
using proto::Result;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t kQueueBytesMax = std::size_t{64} << 20;
constexpr std::size_t kKeyBytesMax = 1 << 16;
constexpr std::chrono::milliseconds kTick{500};
constexpr seconds kReport{2};         // Between lines about who is awaited.
constexpr seconds kConfirmation{60};  // How long a complete machine helps the others.
constexpr std::chrono::milliseconds kFarewell{1500};  // For the last words to arrive.

// The files of a home, and in which order they come to be.
struct Home {
  std::string home;
  Config config;

  std::string genesis() const { return config.Path(config.genesis); }
  std::string keys() const { return config.Path(config.keys); }
  std::string genesis_pending() const { return genesis() + ".pending"; }
  std::string keys_pending() const { return keys() + ".pending"; }

  // Adopts the keys where a crash came after the document was adopted.
  Result<> Finish() const {
    const bool interrupted =
        FileExists(genesis()) && !FileExists(genesis_pending()) && FileExists(keys_pending());
    return interrupted ? MoveFile(keys_pending(), keys()) : Result<>();
  }

  // What was signed before, and whether it is adopted.
  Result<std::pair<std::optional<Genesis>, bool>> Recover() const {
    const bool adopted = FileExists(genesis());
    const std::string path = adopted ? genesis() : genesis_pending();
    if (!FileExists(path)) return std::pair{std::optional<Genesis>(), false};
    auto document = ReadGenesis(path);
    if (!document) return tl::unexpected(document.error());
    return std::pair{std::optional(std::move(*document)), adopted};
  }

  Result<> Store(genesis::Prepared prepared, const proto::SecretKey& key,
                 const TlsIdentity& tls) const {
    if (auto forgotten = Forget(); !forgotten) return forgotten;
    KeyFile file(key.Clone(), std::move(prepared.coin));
    file.replicated = std::move(prepared.replicated);
    file.tls_certificate_pem = tls.certificate_pem;
    file.tls_key_pem = tls.key_pem;
    if (auto written = WriteKeyFile(keys_pending(), file); !written) return written;
    const std::string text = FormatGenesis(prepared.genesis);
    return WriteFile(genesis_pending(), proto::AsBytes(text));
  }

  Result<> Forget() const {
    for (const std::string& path : {genesis_pending(), keys_pending()}) {
      if (FileExists(path) && ::unlink(path.c_str()) != 0) {
        return proto::Fail(ErrorCode::kUnavailable, "cannot remove " + path);
      }
    }
    return {};
  }

  Result<> Adopt(const genesis::Agreed& agreed) const {
    if (FileExists(genesis())) return {};
    const std::string text = FormatSignatures(agreed.signatures);
    if (auto written = WriteFile(home + "/genesis.signatures.json", proto::AsBytes(text));
        !written) {
      return written;
    }
    if (auto moved = MoveFile(genesis_pending(), genesis()); !moved) return moved;
    return MoveFile(keys_pending(), keys());
  }
};

// A machine of the ceremony with its network around it.
class Runner {
 public:
  explicit Runner(Home home) : home_(std::move(home)), queue_(kQueueBytesMax) {}

  Result<Genesis> Run(genesis::Setup setup, TlsIdentity tls, const std::string& listen,
                      seconds patience, const Progress& progress) {
    proposal_ = setup.proposal;
    self_ = setup.self;
    key_.emplace(setup.key.Clone());
    tls_ = tls;
    std::vector<PeerInfo> peers;
    for (std::size_t i = 0; i < proposal_.validators.size(); ++i) {
      const proto::ValidatorSpec& peer = proposal_.validators[i];
      const auto party = static_cast<PartyId>(i);
      if (party == self_) continue;
      peers.push_back(
          {party, peer.peer_address, peer.certificate, peer.key, peer.certificate_signature});
    }
    ceremony_.emplace(std::move(setup));
    network_.emplace(self_, std::move(tls), std::move(peers), listen,
                     Network::Callbacks{[this](PartyId from, Channel, proto::Bytes& bytes) {
                                          if (!queue_.has_room()) return false;
                                          const std::size_t weight = bytes.size();
                                          queue_.Push({from, std::move(bytes)}, weight);
                                          return true;
                                        },
                                        [this](PartyId party, Channel channel) {
                                          if (channel == Channel::kControl)
                                            queue_.Push({party, std::nullopt});
                                        },
                                        [](PartyId, Channel) {}});
    if (auto started = network_->Start(); !started) return tl::unexpected(started.error());
    auto result = Loop(patience, progress);
    queue_.Close();
    if (!result) std::this_thread::sleep_for(kFarewell);
    network_->Stop();
    return result;
  }

 private:
  // Bytes from a peer, or that it reads our stream.
  struct Item {
    PartyId party;
    std::optional<proto::Bytes> bytes;
  };

  Result<Genesis> Loop(seconds patience, const Progress& progress) {
    Carry(ceremony_->Start());
    std::string waiting;
    std::string reported;
    auto changed = steady_clock::now();
    auto report = changed + kReport;
    while (!failure_) {
      const auto now = steady_clock::now();
      if (ceremony_->waiting_for() != waiting) {
        waiting = ceremony_->waiting_for();
        changed = now;
      }
      if (now >= report && waiting != reported && !agreed_) {
        progress("waiting for " + waiting + Unreachable());
        reported = waiting;
        report = now + kReport;
      }
      if (agreed_ && (ceremony_->everyone_knows() || now >= *agreed_ + kConfirmation)) break;
      if (!agreed_ && now >= changed + patience) {
        Carry(ceremony_->GiveUp("waited " + std::to_string(patience.count()) + " s for " + waiting +
                                Unreachable()));
        continue;
      }
      for (Item& item : queue_.Take(now + kTick)) {
        if (!item.bytes) {
          Carry(ceremony_->PeerConnected(item.party));
          continue;
        }
        auto message = genesis::Decode(*item.bytes);
        Carry(message ? ceremony_->Handle(item.party, std::move(*message))
                      : ceremony_->Malformed(item.party));
        if (failure_) break;
      }
    }
    if (!agreed_) return Fail(failure_->code, failure_->message);
    if (!ceremony_->everyone_knows()) {
      progress("complete here, but there is no " + ceremony_->waiting_for() +
               ": should they not have completed, run this again together with them");
    }
    std::this_thread::sleep_for(kFarewell);
    return document_;
  }

  // Outputs first: what they say must be durable before anybody hears of it.
  void Carry(Ceremony::Step step) {
    std::deque<Ceremony::Step> steps;
    steps.push_back(std::move(step));
    while (!steps.empty()) {
      Ceremony::Step next = std::move(steps.front());
      steps.pop_front();
      for (genesis::Output& output : next.outputs) {
        const Result<> done = Apply(output);
        if (done) continue;
        // Nothing may leave after it; the others find us silent.
        failure_ = done.error();
        return;
      }
      for (auto& [target, message] : next.messages) {
        std::shared_ptr<const proto::Bytes> bytes;
        for (std::size_t i = 0; i < proposal_.validators.size(); ++i) {
          const auto party = static_cast<PartyId>(i);
          if (!target.Includes(party) || party == self_) continue;
          if (!bytes) bytes = std::make_shared<const proto::Bytes>(genesis::Encode(message));
          network_->Send(party, Channel::kControl, bytes);
        }
        if (target.Includes(self_)) steps.push_back(ceremony_->Handle(self_, std::move(message)));
      }
    }
  }

  Result<> Apply(genesis::Output& output) {
    if (auto* prepared = std::get_if<genesis::Prepared>(&output)) {
      return home_.Store(std::move(*prepared), *key_, tls_);
    }
    if (const auto* agreed = std::get_if<genesis::Agreed>(&output)) {
      if (auto adopted = home_.Adopt(*agreed); !adopted) return adopted;
      document_ = agreed->genesis;
      agreed_ = steady_clock::now();
      return {};
    }
    if (std::holds_alternative<genesis::Forgotten>(output)) return home_.Forget();
    const auto& failed = std::get<genesis::Failed>(output);
    return Fail(ErrorCode::kUnavailable,
                "the ceremony ended without a network: " + failed.reason + "; nothing was adopted");
  }

  // Why those who have not come cannot be reached.
  std::string Unreachable() const {
    std::string why;
    for (const PeerStatus& peer : network_->peers()) {
      const ChannelStatus& channel = peer.channels[static_cast<std::size_t>(Channel::kControl)];
      if (channel.outgoing) continue;
      why += (why.empty() ? " (not connected: " : ", ") +
             proposal_.validators[Index(peer.id)].name + " at " + peer.address;
    }
    return why.empty() ? why : why + ")";
  }

  const Home home_;
  Genesis proposal_;
  PartyId self_{};
  std::optional<proto::SecretKey> key_;
  TlsIdentity tls_;
  std::optional<Ceremony> ceremony_;
  Queue<Item> queue_;
  std::optional<proto::Error> failure_;
  std::optional<steady_clock::time_point> agreed_;
  Genesis document_;
  std::optional<Network> network_;  // Last: its threads use what stands above.
};

}  // namespace

Result<> FinishGenesis(const std::string& home, const Config& config) {
  return Home{home, config}.Finish();
}

std::string FormatSignatures(const std::vector<proto::Signature>& signatures) {
  json list = json::array();
  for (const proto::Signature& signature : signatures) {
    list.push_back(proto::ToHex(signature.span()));
  }
  return list.dump(2) + "\n";
}

Result<> VerifySignatures(const Genesis& genesis, std::string_view text) {
  const json list = json::parse(text, nullptr, false);
  if (!list.is_array() || list.size() != genesis.validators.size()) {
    return Fail(ErrorCode::kInvalidArgument, "there is not a signature for each validator");
  }
  const proto::Digest digest = genesis::AgreementDigest(ChainId(genesis));
  for (std::size_t i = 0; i < list.size(); ++i) {
    const auto bytes = list[i].is_string() ? proto::FromHex(list[i].get<std::string>())
                                           : Result<proto::Bytes>(proto::Bytes());
    const auto signature = bytes ? proto::Signature::From(*bytes) : tl::unexpected(bytes.error());
    if (!signature || !Verify(genesis.validators[i].key, digest, *signature)) {
      return Fail(ErrorCode::kInvalidArgument,
                  genesis.validators[i].name + " did not sign this document");
    }
  }
  return {};
}

Result<Genesis> JoinGenesis(const std::string& home, const Genesis& proposal, seconds patience,
                            const Progress& progress) {
  auto config = ReadConfig(home);
  if (!config) return tl::unexpected(config.error());
  const Home files{home, *config};
  if (auto finished = files.Finish(); !finished) return tl::unexpected(finished.error());
  auto before = files.Recover();
  if (!before) return tl::unexpected(before.error());
  const bool adopted = before->second;
  const auto locked = IsKeyFileLocked(files.keys());
  if (!locked) return tl::unexpected(locked.error());
  if (!adopted && *locked) {
    return Fail(ErrorCode::kInvalidArgument,
                "the ceremony adds keys to " + files.keys() +
                    ", which is locked: waxseal keys unlock it now, and lock it afterwards");
  }
  const auto keys = ReadKeyFile(files.keys());
  if (!keys) return tl::unexpected(keys.error());
  if (!adopted && keys->coin) {
    return Fail(ErrorCode::kInvalidArgument, files.keys() +
                                                 " holds keys of another network; make a new home "
                                                 "with waxseal init");
  }
  const auto card_text = ReadFile(home + "/validator.json", kKeyBytesMax);
  if (!card_text) return tl::unexpected(card_text.error());
  const auto card = genesis::ParseCard(proto::AsText(*card_text));
  if (!card) {
    return Fail(card.error().code, home + "/validator.json: " + card.error().message);
  }

  const auto own = std::ranges::find(proposal.validators, keys->validator.public_key(),
                                     &proto::ValidatorSpec::key);
  if (own == proposal.validators.end()) {
    return Fail(ErrorCode::kInvalidArgument,
                "the proposal does not list this home's validator; "
                "give " +
                    home + "/validator.json to who makes it");
  }
  if (*own != *card) {
    return Fail(
        ErrorCode::kInvalidArgument,
        "the proposal lists this validator with another name, address or certificate than " + home +
            "/validator.json");
  }
  TlsIdentity tls{card->certificate, keys->tls_key_pem};
  genesis::Setup setup{proposal,
                       static_cast<PartyId>(own - proposal.validators.begin()),
                       keys->validator.Clone(),
                       genesis::ComputingMembers(proposal),
                       Entropy(32),
                       std::move(before->first),
                       adopted};
  Runner runner(files);
  auto result = runner.Run(std::move(setup), tls,
                           config->peer_listen.empty() ? own->peer_address : config->peer_listen,
                           patience, progress);
  proto::SecureErase(tls.key_pem.data(), tls.key_pem.size());
  return result;
}

}  // namespace node
