// What members, joiners and operators tell each other around epochs: synchronisation, ceremonies,
// pages and links of the chain, cards; and calls over gRPC.

#include <algorithm>
#include <memory>
#include <string>

#include "node/ceremony/genesis_message.h"
#include "node/ceremony/proposal.h"
#include "node/ledger/key_ceremony.h"
#include "node/ledger/light_client.h"
#include "node/ledger/state_tree.h"
#include "node/rpc/block_reader.h"
#include "node/rpc/client_schema.h"
#include "node/rpc/json_rpc.h"
#include "node/rpc/method_table.h"
#include "node/rpc/value_json.h"
#include "node/sync/download.h"
#include "proto/base/check.h"
#include "proto/client.pb.h"
#include "proto/crypto/dealing.h"
#include "proto/wire/epoch.h"
#include "proto/wire/sync.h"
#include "tests/fuzz/records.h"
#include "tests/fuzz/targets.h"
#include "tests/unit/consensus/validators.h"
#include "tests/unit/node/ledger/chain.h"

namespace fuzz {

namespace {

using proto::Bytes;
using proto::ByteSpan;

Bytes OfKind(std::uint8_t kind, const Bytes& bytes) {
  Bytes seed(bytes.size() + 1, kind);
  std::ranges::copy(bytes, seed.begin() + 1);
  return seed;
}

// A chain in its second epoch, and the link there.
struct Turned : node::test::Chain {
  Turned() : link(NextEpoch()) {}
  proto::EpochLink link;
};

const Turned& World() {
  static const Turned world;
  return world;
}

// --- A validator that lost its way, and its peers. ---

void RunSyncMessage(ByteSpan input) {
  const auto message = proto::sync::DecodeMessage(input);
  if (!message) return;
  const Bytes encoded = proto::sync::Encode(*message);
  const auto again = proto::sync::DecodeMessage(encoded);
  CHECK(again && proto::sync::Encode(*again) == encoded);
  const auto* const answer = std::get_if<proto::sync::ChunkAnswer>(&*message);
  if (answer == nullptr) return;
  const node::Snapshot& ledger = World().ledger.snapshot();
  const auto& [query, outcome, chunk] = *answer;
  if (!node::VerifyStateChunk(ledger.tree().root(), query.depth, query.index, chunk)) return;
  for (const auto& [key, value] : chunk.entries) CHECK(ledger.Get(key) == value);
}

std::vector<Bytes> SyncMessageSeeds() {
  namespace sync = proto::sync;
  const auto& world = World();
  const Bytes header = proto::dag::Encode(consensus::Validators().MakeHeader(1, 1, {}));
  std::vector<Bytes> seeds = {
      sync::Encode(sync::WordQuery{1, 2}),
      sync::Encode(sync::WordAnswer{1, 2, header}),
      sync::Encode(sync::SnapshotQuery{}),
      sync::Encode(sync::SnapshotOffer{world.link.header, world.link.signatures, 2}),
      sync::Encode(sync::ChunkQuery{3, 2, 1}),
      sync::Encode(sync::ChunkAnswer{{3, 2, 1}, sync::ChunkOutcome::kGone, {}})};
  for (std::uint16_t index = 0; index < 4; ++index) {
    const auto chunk = world.ledger.snapshot().tree().Chunk(2, index, sync::kChunkBytesMax);
    seeds.push_back(
        sync::Encode(sync::ChunkAnswer{{3, 2, index}, sync::ChunkOutcome::kGiven, *chunk}));
  }
  return seeds;
}

// --- Ceremonies: of the genesis document, of an epoch's coin and of its keys. ---

// One alone: a dealing's check takes as long as it has recipients.
std::vector<proto::PublicKey> Recipient() {
  return {World().keys[0].public_key()};
}

void RunCeremony(ByteSpan input) {
  Script script(input);
  const std::uint64_t kind = script.Below(3);
  const ByteSpan bytes = script.Rest();
  if (kind == 0) {
    if (const auto message = node::genesis::Decode(bytes)) {
      CHECK(std::ranges::equal(node::genesis::Encode(*message), bytes));
    }
  } else if (kind == 1) {
    const auto dealing = proto::DecodeDealing(bytes);
    if (!dealing) return;
    CHECK(std::ranges::equal(proto::EncodeDealing(*dealing), bytes));
    (void)proto::VerifyDealing({}, Recipient(), 1, *dealing);
  } else if (const auto ceremony = node::KeyCeremony::Decode(bytes)) {
    CHECK(std::ranges::equal(ceremony->Encode(), bytes));
  }
}

std::vector<Bytes> CeremonySeeds() {
  namespace genesis = node::genesis;
  const auto& world = World();
  const proto::Digest digest = node::test::MakeDigest("x");
  const proto::PublicKey key = world.keys[0].public_key();
  const proto::Signature signature = world.keys[0].Sign(digest);
  std::vector<Bytes> seeds;
  for (const genesis::Message& message : std::initializer_list<genesis::Message>{
           genesis::Opening{digest, digest, {digest, {}}, 1, digest},
           genesis::Commitment{digest, key, {digest}, signature},
           genesis::Echo{{digest}, {signature}}, genesis::Showing{Bytes(40, 1)},
           genesis::SealedParts{Bytes(40, 1)}, genesis::Agreement{digest, signature},
           genesis::Certificate{digest, {signature}}, genesis::Refusal{digest, "why"}}) {
    seeds.push_back(OfKind(0, genesis::Encode(message)));
  }
  const auto recipients = world.link.next.keys();
  seeds.push_back(
      OfKind(1, proto::EncodeDealing(proto::Deal(proto::Digest{}, recipients, 2, digest.span()))));
  node::KeyCeremony ceremony(4);
  ceremony.Acknowledge(proto::PartyId{1}, {proto::PartyId{2}, digest});
  seeds.push_back(OfKind(2, ceremony.Encode()));
  return seeds;
}

// --- The chain, as a node that follows it is given it, and what it keeps of its download. ---

void RunEpoch(ByteSpan input) {
  Script script(input);
  const std::uint64_t kind = script.Below(8);
  const ByteSpan bytes = script.Rest();
  switch (kind) {
    case 0:
      return RunRecord<proto::EpochRecord>(bytes);
    case 1:
      return RunRecord<proto::Staking>(bytes);
    case 2:
      return RunRecord<proto::Turn>(bytes);
    case 3:
      return RunRecord<proto::Dealings>(bytes);
    case 4:
      return RunRecord<proto::EpochKeys>(bytes);
    case 5:
      if (const auto link = proto::DecodeLink(bytes)) {
        CHECK(std::ranges::equal(proto::EncodeLink(*link), bytes));
        // Who believes it believes the true one.
        node::LightClient client(World().genesis);
        if (client.Follow(*link)) CHECK(link->next == World().link.next);
      }
      return;
    case 6:
      if (const auto page = node::DecodePage(bytes)) {
        const auto again = node::DecodePage(node::EncodePage(*page));
        CHECK(again && again->blocks.size() == page->blocks.size());
      }
      return;
    default:
      if (const auto record = node::DecodeDownloadRecord(bytes)) {
        CHECK(std::ranges::equal(node::Encode(*record), bytes));
      }
  }
}

std::vector<Bytes> EpochSeeds() {
  const auto& world = World();
  const auto& ledger = world.ledger.snapshot();
  proto::Turn turn;
  turn.epoch = 2;
  turn.validators = {world.Card(world.keys[0], "a")};
  turn.computing = {proto::PartyId{0}};
  turn.dealings = {{proto::PartyId{0}, Bytes(9, 1)}};
  node::BlockRun run;
  run.blocks.push_back({world.link.header, {{1, 2, 3}}, world.link.signatures});
  run.link = proto::EncodeLink(world.link);
  return {
      OfKind(0, proto::EncodeEpoch(ledger.epoch()->record)),
      OfKind(1, proto::Encode(ledger.staking())),
      OfKind(2, proto::Encode(turn)),
      OfKind(3, proto::Encode(proto::Dealings{{world.keys[0].public_key()}, {Bytes(9, 1)}})),
      OfKind(4, proto::Encode(proto::EpochKeys{true, Bytes(9, 1)})),
      OfKind(5, proto::EncodeLink(world.link)),
      OfKind(6, node::EncodePage(run)),
      OfKind(7, node::Encode(node::DownloadRecord{world.link.header, world.link.signatures, 3,
                                                  Bytes(1, 5), true})),
  };
}

// --- What operators send each other. ---

void RunProposal(ByteSpan input) {
  const auto text = proto::AsText(input);
  if (const auto card = node::genesis::ParseCard(text)) {
    const auto again = node::genesis::ParseCard(node::genesis::FormatCard(*card));
    CHECK(again && *again == *card);
    (void)node::genesis::MakeProposal(proto::FormatChainSpec(World().genesis.spec),
                                      {std::string(text)}, {});
  }
  if (const auto proposal = node::genesis::ParseProposal(text)) {
    const auto again = node::genesis::ParseProposal(node::genesis::FormatProposal(*proposal));
    CHECK(again && *again == *proposal);
  }
}

std::vector<Bytes> ProposalSeeds() {
  const auto& genesis = World().genesis;
  return {AsSeed(node::genesis::FormatCard(genesis.validators[0])),
          AsSeed(node::genesis::FormatProposal(genesis))};
}

// --- gRPC. ---

// The first byte is the method's; the rest is the message.
const google::protobuf::Message& FormOf(const node::MethodSpec& spec) {
  const auto* service =
      waxseal::v1::StatusCall::descriptor()->file()->FindServiceByName("Validator");
  const auto* method = service->FindMethodByName(node::CallName(spec.name));
  CHECK(method != nullptr);
  return *google::protobuf::MessageFactory::generated_factory()->GetPrototype(method->input_type());
}

void RunGrpcCall(ByteSpan input) {
  Script script(input);
  const node::MethodSpec& spec = node::MethodTable()[script.Below(node::MethodTable().size())];
  const std::unique_ptr<google::protobuf::Message> call(FormOf(spec).New());
  const ByteSpan bytes = script.Rest();
  if (!call->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
  const auto given = node::ParamsOf(*call);
  if (!given) return;
  google::protobuf::Value value;
  node::ToValue(*given, value);
  CHECK(value.has_struct_value());
  (void)node::Params::From(*given, spec.params);
}

std::vector<Bytes> GrpcCallSeeds() {
  using google::protobuf::FieldDescriptor;
  std::vector<Bytes> seeds;
  for (std::uint8_t i = 0; i < node::MethodTable().size(); ++i) {
    const std::unique_ptr<google::protobuf::Message> call(FormOf(node::MethodTable()[i]).New());
    const auto& reflection = *call->GetReflection();
    const auto& fields = *call->GetDescriptor();
    for (int k = 0; k < fields.field_count(); ++k) {
      const FieldDescriptor* const field = fields.field(k);
      if (field->type() == FieldDescriptor::TYPE_UINT64) {
        reflection.SetUInt64(call.get(), field, 7);
      } else if (field->type() == FieldDescriptor::TYPE_BOOL) {
        reflection.SetBool(call.get(), field, true);
      } else {
        reflection.SetString(call.get(), field, std::string(32, 'a'));
      }
    }
    seeds.push_back(OfKind(i, AsSeed(call->SerializeAsString())));
  }
  return seeds;
}

}  // namespace

std::vector<Target> EpochTargets() {
  return {{"sync_message", RunSyncMessage, SyncMessageSeeds},
          {"ceremony", RunCeremony, CeremonySeeds},
          {"epoch", RunEpoch, EpochSeeds},
          {"proposal", RunProposal, ProposalSeeds},
          {"grpc_call", RunGrpcCall, GrpcCallSeeds}};
}

}  // namespace fuzz
