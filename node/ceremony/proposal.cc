#include "node/ceremony/proposal.h"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

#include "mpc/sharing/replicated.h"

namespace node::genesis {

using Json = nlohmann::ordered_json;
using proto::ErrorCode;
using proto::Genesis;
using proto::Result;

namespace {

constexpr const char* kCoinKey = "coin_key";
constexpr const char* kThreshold = "coin_threshold";

// A proposal is read by the reader of genesis documents, with each validator's own key in the place
// of the coin key that the ceremony will make: so all other rules hold of it as they are.
Result<Genesis> ReadProposal(Json document) {
  if (!document.is_object() || !document.contains("validators") ||
      !document["validators"].is_array() || document.contains(kThreshold)) {
    return proto::Fail(ErrorCode::kInvalidArgument, "it is no proposal of a genesis ceremony");
  }
  const std::size_t count = document["validators"].size();
  if (count < proto::kValidatorsMin) {
    return proto::Fail(ErrorCode::kInvalidArgument,
                       "a network has at least 4 validators; there are " + std::to_string(count));
  }
  for (Json& validator : document["validators"]) {
    if (!validator.is_object() || validator.contains(kCoinKey)) {
      return proto::Fail(ErrorCode::kInvalidArgument, "a validator is no card, or has a coin key");
    }
    const auto key = validator.find("public_key");
    if (key != validator.end() && key->is_string()) {
      validator[kCoinKey] = "02" + key->get<std::string>();
    }
  }
  const auto size = static_cast<std::uint16_t>(std::min<std::size_t>(count, 0xffff));
  document[kThreshold] = proto::Committee(size).validity();
  auto genesis = proto::ParseGenesis(document.dump());
  if (!genesis) return genesis;
  for (proto::ValidatorSpec& validator : genesis->validators) validator.coin_key = {};
  return genesis;
}

Result<Json> ReadJson(std::string_view text, const char* what) {
  Json json = text.size() <= proto::kGenesisBytesMax ? Json::parse(text, nullptr, false)
                                                     : Json(Json::value_t::discarded);
  if (json.is_object()) return json;
  return proto::Fail(ErrorCode::kInvalidArgument, std::string("it is no ") + what + ": not JSON");
}

Json WithoutCoin(const Genesis& genesis) {
  Json document = Json::parse(FormatGenesis(genesis));
  document.erase(kThreshold);
  for (Json& validator : document["validators"]) validator.erase(kCoinKey);
  return document;
}

}  // namespace

std::string FormatCard(const proto::ValidatorSpec& card) {
  Genesis genesis;
  genesis.validators.push_back(card);
  return WithoutCoin(genesis)["validators"][0].dump(2) + "\n";
}

Result<proto::ValidatorSpec> ParseCard(std::string_view text) {
  const auto json = ReadJson(text, "card");
  if (!json) return tl::unexpected(json.error());
  const auto field = [&](const char* name) {
    const auto found = json->find(name);
    return found != json->end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  proto::ValidatorSpec card;
  card.name = field("name");
  card.certificate = field("certificate");
  card.peer_address = field("peer_address");
  card.rpc_address = field("rpc_address");
  const auto key = proto::FromHex(field("public_key"));
  const auto signature = proto::FromHex(field("certificate_signature"));
  const auto parsed_key = key ? proto::PublicKey::From(*key) : tl::unexpected(key.error());
  const auto parsed_signature =
      signature ? proto::Signature::From(*signature) : tl::unexpected(signature.error());
  if (!parsed_key || !parsed_signature ||
      !Verify(*parsed_key, proto::CertificateDigest(card.certificate), *parsed_signature)) {
    return proto::Fail(ErrorCode::kInvalidArgument,
                       "it is no card: its certificate is not signed by its key");
  }
  card.key = *parsed_key;
  card.certificate_signature = *parsed_signature;
  return card;
}

Result<Genesis> MakeProposal(std::string_view spec, const std::vector<std::string>& cards,
                             std::vector<proto::FundedAccount> accounts) {
  auto spec_json = ReadJson(spec, "chain spec");
  if (!spec_json) return tl::unexpected(spec_json.error());
  std::vector<std::pair<proto::PublicKey, Json>> validators;
  for (const std::string& text : cards) {
    const auto card = ParseCard(text);
    if (!card) return tl::unexpected(card.error());
    validators.emplace_back(card->key, Json::parse(text));
  }
  std::ranges::sort(validators, {}, &std::pair<proto::PublicKey, Json>::first);
  std::ranges::sort(accounts, {}, &proto::FundedAccount::key);
  Json document = {
      {"spec", *spec_json}, {"validators", Json::array()}, {"accounts", Json::array()}};
  for (auto& [key, json] : validators) document["validators"].push_back(std::move(json));
  for (const proto::FundedAccount& account : accounts) {
    document["accounts"].push_back(
        {{"public_key", account.key.hex()}, {"balance", account.balance}});
  }
  return ReadProposal(std::move(document));
}

std::string FormatProposal(const Genesis& proposal) {
  return WithoutCoin(proposal).dump(2) + "\n";
}

Result<Genesis> ParseProposal(std::string_view text) {
  auto json = ReadJson(text, "proposal");
  if (!json) return tl::unexpected(json.error());
  return ReadProposal(std::move(*json));
}

std::uint16_t ComputingMembers(const Genesis& genesis) {
  return static_cast<std::uint16_t>(
      std::min(genesis.validators.size(), mpc::kReplicatedPartiesMax));
}

}  // namespace node::genesis
