#include "proto/wire/ledger.h"

#include <algorithm>

#include "proto/base/check.h"
#include "proto/crypto/hash.h"
#include "proto/ledger.pb.h"
#include "proto/wire/checker.h"

namespace proto {
namespace {

namespace pb = waxseal::ledger;

// --- Payloads, one function each way. ---

void Put(pb::TransactionBody& body, const Transfer& payload) {
  body.mutable_transfer()->set_to(Text(payload.to.span()));
  body.mutable_transfer()->set_amount(payload.amount);
}

void Put(pb::TransactionBody& body, const RegisterModel& payload) {
  body.mutable_register_model()->set_manifest(Text(payload.manifest));
}

void Put(pb::TransactionBody& body, const OpenRequest& payload) {
  body.mutable_open_request()->set_model(Text(payload.model.span()));
  body.mutable_open_request()->set_bucket(payload.bucket);
}

void Put(pb::TransactionBody& body, const SubmitInference& payload) {
  auto& out = *body.mutable_submit_inference();
  out.set_request(payload.request);
  out.mutable_masked_tokens()->Assign(payload.masked_tokens.begin(), payload.masked_tokens.end());
  out.set_until_end(payload.until_end);
}

void Put(pb::TransactionBody& body, const ModelReady& payload) {
  body.mutable_model_ready()->set_model(Text(payload.model.span()));
}

void Put(pb::TransactionBody& body, const FixLayer& payload) {
  const LayerCertificate& certificate = payload.certificate;
  auto& out = *body.mutable_fix_layer();
  out.set_attempt(certificate.attempt);
  out.set_layer(certificate.layer);
  out.set_king(Index(certificate.king));
  out.set_root(Text(certificate.root.span()));
  out.set_senders(Text(certificate.senders.span()));
  for (const auto& [party, signature] : certificate.echoes) {
    auto& echo = *out.add_echoes();
    echo.set_party(Index(party));
    echo.set_signature(Text(signature.span()));
  }
}

void Put(pb::TransactionBody& body, const Verdict& payload) {
  body.mutable_verdict()->set_attempt(payload.attempt);
  body.mutable_verdict()->set_transcript(Text(payload.transcript.span()));
  body.mutable_verdict()->set_pass(payload.pass);
}

void Put(pb::TransactionBody& body, const Attest& payload) {
  body.mutable_attest()->set_request(payload.request);
  body.mutable_attest()->set_transcript(Text(payload.transcript.span()));
  for (const PartyId party : payload.accused) body.mutable_attest()->add_accused(Index(party));
  body.mutable_attest()->set_steps(payload.steps);
}

void Put(pb::TransactionBody& body, const PostOutput& payload) {
  auto& out = *body.mutable_post_output();
  out.set_request(payload.request);
  for (const ShareBytes& share : payload.shares) out.mutable_shares()->append(AsText(share));
  for (const PartyId party : payload.accused) out.add_accused(Index(party));
}

void Put(pb::TransactionBody& body, const ReportEvidence& payload) {
  body.mutable_report_evidence()->set_evidence(Text(payload.evidence));
}

void Put(pb::TransactionBody& body, const Opaque& payload) {
  body.mutable_opaque()->set_data(Text(payload.data));
}

void Put(pb::TransactionBody& body, const PostFinding& payload) {
  const Finding& finding = payload.finding;
  CHECK(finding.senders.size() == finding.expected.size());
  auto& out = *body.mutable_post_finding();
  out.set_attempt(finding.attempt);
  out.set_layer(finding.layer);
  for (std::size_t i = 0; i < finding.senders.size(); ++i) {
    auto& sender = *out.add_senders();
    sender.set_party(Index(finding.senders[i].party));
    sender.set_root(Text(finding.senders[i].root.span()));
    sender.set_signature(Text(finding.senders[i].signature.span()));
    sender.set_expected(Text(finding.expected[i].span()));
  }
  if (finding.expected_root != Digest()) out.set_expected_root(Text(finding.expected_root.span()));
}

void Put(pb::ValidatorCard& out, const ValidatorSpec& card) {
  out.set_name(card.name);
  out.set_key(Text(card.key.span()));
  out.set_certificate(card.certificate);
  out.set_certificate_signature(Text(card.certificate_signature.span()));
  out.set_peer_address(card.peer_address);
  out.set_rpc_address(card.rpc_address);
}

void Put(pb::TransactionBody& body, const JoinValidators& payload) {
  Put(*body.mutable_join_validators()->mutable_card(), payload.card);
  body.mutable_join_validators()->set_stake(payload.stake);
}

void Put(pb::TransactionBody& body, const LeaveValidators&) {
  body.mutable_leave_validators();
}

void Put(pb::TransactionBody& body, const RotateValidator& payload) {
  Put(*body.mutable_rotate_validator()->mutable_card(), payload.card);
  body.mutable_rotate_validator()->set_consent(Text(payload.consent.span()));
}

void Put(pb::TransactionBody& body, const AcknowledgeKeys& payload) {
  auto& out = *body.mutable_acknowledge_keys();
  out.set_epoch(payload.epoch);
  out.set_author(Index(payload.author));
  out.set_root(Text(payload.root.span()));
}

void Put(pb::TransactionBody& body, const DealCoinKey& payload) {
  body.mutable_deal_coin_key()->set_epoch(payload.epoch);
  body.mutable_deal_coin_key()->set_dealing(Text(payload.dealing));
}

Transfer Get(Checker& check, const pb::TransferPayload& in) {
  check.Require(in.amount() <= kAmountMax, "an amount is beyond all money there is");
  return {check.Fixed<PublicKey>(in.to()), in.amount()};
}

RegisterModel Get(Checker& check, const pb::RegisterModelPayload& in) {
  check.Limit(in.manifest(), kManifestBytesMax);
  const ByteSpan manifest = AsBytes(in.manifest());
  return {Bytes(manifest.begin(), manifest.end())};
}

OpenRequest Get(Checker& check, const pb::OpenRequestPayload& in) {
  return {check.Fixed<Digest>(in.model()), in.bucket()};
}

SubmitInference Get(Checker& check, const pb::SubmitInferencePayload& in) {
  check.Limit(in.masked_tokens(), kTokensMax);
  return {in.request(), {in.masked_tokens().begin(), in.masked_tokens().end()}, in.until_end()};
}

ModelReady Get(Checker& check, const pb::ModelReadyPayload& in) {
  return {check.Fixed<Digest>(in.model())};
}

FixLayer Get(Checker& check, const pb::FixLayerPayload& in) {
  LayerCertificate certificate;
  certificate.attempt = in.attempt();
  certificate.layer = in.layer();
  certificate.king = check.Party(in.king());
  certificate.root = check.Fixed<Digest>(in.root());
  certificate.senders = check.Fixed<Digest>(in.senders());
  check.Require(in.layer() < kLayersMax, "a layer is beyond its limit");
  if (!check.Limit(in.echoes(), kCommitteeMax)) return {};
  for (const auto& echo : in.echoes()) {
    const PartyId party = check.Party(echo.party());
    check.Require(certificate.echoes.empty() || certificate.echoes.back().first < party,
                  "echoes are not ascending by party");
    certificate.echoes.emplace_back(party, check.Fixed<Signature>(echo.signature()));
  }
  return {std::move(certificate)};
}

Verdict Get(Checker& check, const pb::VerdictPayload& in) {
  return {in.attempt(), check.Fixed<Digest>(in.transcript()), in.pass()};
}

Attest Get(Checker& check, const pb::AttestPayload& in) {
  check.Require(in.steps() >= 1 && in.steps() <= kOutputsMax, "no answer has so many steps");
  return {in.request(), check.Fixed<Digest>(in.transcript()), check.Parties(in.accused()),
          in.steps()};
}

PostOutput Get(Checker& check, const pb::PostOutputPayload& in) {
  PostOutput payload{in.request(), {}, check.Parties(in.accused())};
  const ByteSpan bytes = AsBytes(in.shares());
  constexpr std::size_t kSize = std::tuple_size_v<ShareBytes>;
  check.Require(bytes.size() % kSize == 0, "shares have 16 bytes each");
  if (!check.Limit(in.shares(), kOutputsMax * kSize)) return payload;
  payload.shares.resize(bytes.size() / kSize);
  for (std::size_t i = 0; i < payload.shares.size(); ++i) {
    std::ranges::copy(bytes.subspan(i * kSize, kSize), payload.shares[i].begin());
  }
  return payload;
}

ReportEvidence Get(Checker& check, const pb::ReportEvidencePayload& in) {
  check.Limit(in.evidence(), kEvidenceBytesMax);
  const ByteSpan evidence = AsBytes(in.evidence());
  return {Bytes(evidence.begin(), evidence.end())};
}

Opaque Get(Checker& check, const pb::OpaquePayload& in) {
  check.Limit(in.data(), kTransactionBytesMax);
  const ByteSpan data = AsBytes(in.data());
  return {Bytes(data.begin(), data.end())};
}

PostFinding Get(Checker& check, const pb::PostFindingPayload& in) {
  Finding finding{in.attempt(), in.layer(), {}, {}, {}};
  check.Require(in.layer() < kLayersMax, "a layer is beyond its limit");
  if (!check.Limit(in.senders(), kCommitteeMax)) return {};
  for (const auto& sender : in.senders()) {
    const PartyId party = check.Party(sender.party());
    check.Require(finding.senders.empty() || finding.senders.back().party < party,
                  "senders are not ascending by party");
    finding.senders.push_back(
        {party, check.Fixed<Digest>(sender.root()), check.Fixed<Signature>(sender.signature())});
    finding.expected.push_back(check.Fixed<Digest>(sender.expected()));
  }
  if (!in.expected_root().empty()) {
    finding.expected_root = check.Fixed<Digest>(in.expected_root());
    check.Require(finding.expected_root != Digest(), "the expected root is zero");
  }
  return {std::move(finding)};
}

ValidatorSpec Get(Checker& check, const pb::ValidatorCard& in) {
  check.Limit(in.name(), kNameBytesMax);
  check.Limit(in.certificate(), kCertificateBytesMax);
  check.Limit(in.peer_address(), kAddressBytesMax);
  check.Limit(in.rpc_address(), kAddressBytesMax);
  ValidatorSpec card;
  card.name = in.name();
  card.key = check.Fixed<PublicKey>(in.key());
  card.certificate = in.certificate();
  card.certificate_signature = check.Fixed<Signature>(in.certificate_signature());
  card.peer_address = in.peer_address();
  card.rpc_address = in.rpc_address();
  return card;
}

JoinValidators Get(Checker& check, const pb::JoinValidatorsPayload& in) {
  check.Require(in.stake() <= kStakeMax, "a stake is beyond its limit");
  return {Get(check, in.card()), in.stake()};
}

RotateValidator Get(Checker& check, const pb::RotateValidatorPayload& in) {
  return {Get(check, in.card()), check.Fixed<Signature>(in.consent())};
}

AcknowledgeKeys Get(Checker& check, const pb::AcknowledgeKeysPayload& in) {
  return {in.epoch(), check.Party(in.author()), check.Fixed<Digest>(in.root())};
}

DealCoinKey Get(Checker& check, const pb::DealCoinKeyPayload& in) {
  check.Limit(in.dealing(), kDealingBytesMax);
  const ByteSpan dealing = AsBytes(in.dealing());
  return {in.epoch(), Bytes(dealing.begin(), dealing.end())};
}

Payload GetPayload(Checker& check, const pb::TransactionBody& in) {
  using Body = pb::TransactionBody;
  switch (in.payload_case()) {
    case Body::kTransfer:
      return Get(check, in.transfer());
    case Body::kRegisterModel:
      return Get(check, in.register_model());
    case Body::kOpenRequest:
      return Get(check, in.open_request());
    case Body::kSubmitInference:
      return Get(check, in.submit_inference());
    case Body::kModelReady:
      return Get(check, in.model_ready());
    case Body::kFixLayer:
      return Get(check, in.fix_layer());
    case Body::kVerdict:
      return Get(check, in.verdict());
    case Body::kAttest:
      return Get(check, in.attest());
    case Body::kPostOutput:
      return Get(check, in.post_output());
    case Body::kReportEvidence:
      return Get(check, in.report_evidence());
    case Body::kJoinValidators:
      return Get(check, in.join_validators());
    case Body::kLeaveValidators:
      return LeaveValidators{};
    case Body::kRotateValidator:
      return Get(check, in.rotate_validator());
    case Body::kDealCoinKey:
      return Get(check, in.deal_coin_key());
    case Body::kAcknowledgeKeys:
      return Get(check, in.acknowledge_keys());
    case Body::kOpaque:
      return Get(check, in.opaque());
    case Body::kPostFinding:
      return Get(check, in.post_finding());
    case Body::PAYLOAD_NOT_SET:
      break;
  }
  check.Require(false, "it has no payload");
  return {};
}

}  // namespace

bool IsValidatorPayload(const Payload& payload) {
  return std::visit(
      []<class P>(const P&) {
        return !(std::is_same_v<P, Transfer> || std::is_same_v<P, RegisterModel> ||
                 std::is_same_v<P, OpenRequest> || std::is_same_v<P, SubmitInference> ||
                 std::is_same_v<P, JoinValidators> || std::is_same_v<P, LeaveValidators> ||
                 std::is_same_v<P, RotateValidator> || std::is_same_v<P, Opaque>);
      },
      payload);
}

Digest TransactionId(ByteSpan body) {
  return Hash("waxseal/transaction", {body});
}

Bytes SignTransaction(const SecretKey& sender, Transaction transaction) {
  pb::TransactionBody body;
  body.set_chain(Text(transaction.chain.span()));
  body.set_sender(Text(sender.public_key().span()));
  body.set_nonce(transaction.nonce);
  std::visit([&](const auto& payload) { Put(body, payload); }, transaction.payload);
  Checker check;
  GetPayload(check, body);
  CHECK(check.fault() == nullptr);
  const Bytes bytes = Serialize(body);
  pb::SignedTransaction signed_transaction;
  signed_transaction.set_body(Text(bytes));
  signed_transaction.set_signature(Text(sender.Sign(TransactionId(bytes)).span()));
  return Serialize(signed_transaction);
}

CheckedTransaction CheckedTransaction::Check(const Digest& chain, std::size_t bytes_max,
                                             Bytes bytes, bool opaque_admitted) {
  CheckedTransaction result;
  result.bytes_ = std::move(bytes);
  if (opaque_admitted && result.bytes_.size() <= bytes_max && !result.bytes_.empty() &&
      result.bytes_.front() == kOpaqueMark) {
    result.opaque_ = true;
    result.id_ = Hash("waxseal/transaction/opaque", {result.bytes_});
    return result;
  }
  const auto refuse = [&](Flaw flaw, std::string message) {
    result.refusal_ = {flaw, std::move(message)};
    return std::move(result);
  };
  pb::SignedTransaction outer;
  pb::TransactionBody body;
  const char* fault = Parse(result.bytes_, std::min(bytes_max, kTransactionBytesMax), outer);
  if (fault == nullptr) fault = Parse(AsBytes(outer.body()), kTransactionBytesMax, body);
  Checker check;
  if (fault == nullptr) {
    Transaction transaction;
    transaction.chain = check.Fixed<Digest>(body.chain());
    transaction.sender = check.Fixed<PublicKey>(body.sender());
    transaction.nonce = body.nonce();
    transaction.payload = GetPayload(check, body);
    check.Require(body.nonce() == 0 || !IsValidatorPayload(transaction.payload),
                  "a validator's payload has no nonce");
    check.Require(body.nonce() < kAmountMax, "a nonce is out of range");
    check.Require(opaque_admitted || !std::holds_alternative<Opaque>(transaction.payload),
                  "this chain admits no opaque transactions");
    result.transaction_ = std::move(transaction);
  }
  const auto signature = check.Fixed<Signature>(outer.signature());
  if (fault == nullptr) fault = check.fault();
  if (fault != nullptr) {
    result.transaction_.reset();
    result.id_ = Hash("waxseal/transaction/malformed", {result.bytes_});
    return refuse(Flaw::kMalformed, Message("transaction", fault));
  }
  result.id_ = TransactionId(AsBytes(outer.body()));
  const Transaction transaction = std::move(*result.transaction_);
  result.transaction_.reset();
  if (transaction.chain != chain) {
    return refuse(Flaw::kWrongChain, "the transaction was made for another chain");
  }
  if (!Verify(transaction.sender, result.id_, signature)) {
    return refuse(Flaw::kBadSignature, "the transaction's signature is not its sender's");
  }
  result.transaction_ = std::move(transaction);
  return result;
}

Digest RotationDigest(const Digest& chain, const PublicKey& old_key, const PublicKey& new_key) {
  return Hash("waxseal/rotation", {chain.span(), old_key.span(), new_key.span()});
}

Digest CoinDealingContext(const Digest& chain, std::uint64_t epoch, const PublicKey& dealer) {
  return Hasher("waxseal/coin-dealing").Add(chain.span()).Add(epoch).Add(dealer.span()).Finish();
}

Digest SubmissionDigest(const Digest& chain, std::uint64_t request, std::uint64_t attempt,
                        const std::vector<std::uint32_t>& masked_tokens, bool until_end) {
  Hasher hasher("waxseal/submission");
  hasher.Add(chain.span()).Add(request).Add(attempt).Add(std::uint64_t{masked_tokens.size()});
  for (const std::uint32_t token : masked_tokens) hasher.Add(std::uint64_t{token});
  hasher.Add(std::uint64_t{until_end ? 1u : 0u});
  return hasher.Finish();
}

}  // namespace proto
