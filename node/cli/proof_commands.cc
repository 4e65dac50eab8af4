// query, verify: answers of validators, believed with their proofs alone.

#include <cstdio>
#include <functional>
#include <memory>

#include <CLI/CLI.hpp>

#include "node/cli/commands.h"
#include "node/cli/network_files.h"
#include "node/ledger/light_client.h"
#include "node/loop/files.h"
#include "node/rpc/answers.h"
#include "node/rpc/client.h"
#include "node/rpc/method_table.h"
#include "node/rpc/proof_json.h"
#include "node/rpc/subscriber.h"

namespace node {

using nlohmann::json;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

constexpr std::size_t kAnswerBytesMax = std::size_t{64} << 20;
constexpr std::chrono::hours kEventPatience{24};

struct VerifyOptions {
  Access access;
  std::uint64_t request = 0;
  std::string file;
  std::string rpc;
};

struct QueryOptions {
  Access access;
  std::string method;
  std::vector<std::string> params;  // NAME=VALUE
  std::string rpc;
  std::string save;
  bool plain = false;
  bool binary = false;
  bool follow = false;
  std::size_t count = 0;  // Events to wait for; 0: all there will be.
};

// The answer as `check` finds it. A proof of a chain of very many epochs has no links with it: they
// are asked for then, and put into it.
Result<CheckedAnswer> Believe(LightClient& client, const std::string& address, json& given,
                              const std::function<Result<CheckedAnswer>()>& check) {
  auto checked = check();
  const json::json_pointer place("/proof/links");
  if (checked || !given.contains(place) || !given[place].is_array() || !given[place].empty()) {
    return checked;
  }
  const auto links = FollowLinks(client, address);
  if (!links || links->empty()) return checked;
  for (const auto& link : *links) given[place].push_back(proto::ToHex(proto::EncodeLink(link)));
  return check();
}

// What the block is, and who says so.
json Describe(const LightClient& client, const Proven& proven) {
  const auto& last = proven.signed_header();
  const proto::EpochRecord& epoch = client.EpochOf(last.height);
  json signers = json::array();
  for (const auto& [party, signature] : proven.proof().signatures) {
    signers.push_back(epoch.validators[Index(party)].name);
  }
  json out = {{"height", proven.header().height},
              {"block", proto::BlockDigest(proven.header()).hex()},
              {"state_root", proven.header().state_root.hex()},
              {"epoch", epoch.number},
              {"signed_by", std::move(signers)}};
  if (last.height != proven.header().height) out["signed_height"] = last.height;
  return out;
}

// Of a proof alone: all that it says.
json Contents(const Proven& proven) {
  json out = json::object();
  for (const auto& record : proven.proof().records) {
    out["records"][NameOfKey(record.key)] =
        record.value ? json(proto::ToHex(*record.value)) : json();
  }
  if (const auto* part = proven.transaction()) {
    out["transaction"] = {{"index", part->index},
                          {"count", part->count},
                          {"bytes", proto::ToHex(part->bytes)},
                          {"receipt", proto::ReceiptCodeName(part->receipt.code)}};
  }
  if (const auto* receipts = proven.receipts()) {
    for (const auto& receipt : *receipts) {
      out["receipts"].push_back({{"transaction", receipt.transaction.hex()},
                                 {"receipt", proto::ReceiptCodeName(receipt.code)}});
    }
  }
  return out;
}

Result<json> CheckBytes(LightClient& client, proto::ByteSpan bytes) {
  const auto proven = VerifyProof(client, bytes);
  if (!proven) return tl::unexpected(proven.error());
  json out = Describe(client, *proven);
  out["proved"] = Contents(*proven);
  return out;
}

Result<json> CheckJson(LightClient& client, const json& given) {
  if (given.is_object() && given.contains("error")) {
    return Fail(ErrorCode::kInvalidArgument,
                "this is an error, not an answer: " + FormatJson(given["error"]).substr(0, 256));
  }
  // A whole JSON-RPC answer.
  if (given.is_object() && given.contains("result")) return CheckJson(client, given["result"]);
  if (given.is_object() && given.contains("headers")) {
    const auto proof = ProofFromJson(given);
    if (!proof) return tl::unexpected(proof.error());
    const auto bytes = proto::EncodeProof(*proof);
    if (!bytes) return tl::unexpected(bytes.error());
    return CheckBytes(client, *bytes);
  }
  const auto checked = VerifyAnswer(client, given);
  if (!checked) return tl::unexpected(checked.error());
  json out = Describe(client, checked->proven);
  out["question"] = {{"method", checked->method}, {"params", checked->params}};
  out["answer"] = checked->answer;
  return out;
}

Result<> Verify(const VerifyOptions& options) {
  const auto genesis = ReadGenesis(options.access.GenesisPath());
  if (!genesis) return tl::unexpected(genesis.error());
  LightClient client(*genesis);  // All that is trusted.
  const auto check = [&]() -> Result<json> {
    if (options.file.empty()) {
      const std::string address =
          options.rpc.empty() ? genesis->validators.front().rpc_address : options.rpc;
      const json question = {{"id", options.request}};
      auto given = Call(address, "request", {{"id", options.request}, {"prove", true}});
      if (!given) return tl::unexpected(given.error());
      const auto checked = Believe(client, address, *given, [&] {
        return VerifyAnswer(client, "request", question, *given);
      });
      return checked ? CheckJson(client, *given) : tl::unexpected(checked.error());
    }
    const auto bytes = ReadFile(options.file == "-" ? "/dev/stdin" : options.file, kAnswerBytesMax);
    if (!bytes) return tl::unexpected(bytes.error());
    if (proto::IsProof(*bytes)) return CheckBytes(client, *bytes);
    const auto given = ParseJson(proto::AsText(*bytes));
    if (!given) {
      return Fail(ErrorCode::kInvalidArgument, "this is neither an answer nor a proof");
    }
    return CheckJson(client, *given);
  };
  auto checked = check();
  if (!checked) {
    return Fail(checked.error().code, "the proof does not hold: " + checked.error().message);
  }
  (*checked)["verified"] = true;
  PrintJson(*checked);
  return {};
}

// NAME=VALUE, the value as the method's specification has it.
Result<json> ParamsOf(const MethodSpec& spec, const std::vector<std::string>& given) {
  json params = json::object();
  for (const std::string& one : given) {
    const auto equals = one.find('=');
    if (equals == std::string::npos) {
      return Fail(ErrorCode::kInvalidArgument, "'" + one + "' is not NAME=VALUE");
    }
    params[one.substr(0, equals)] = one.substr(equals + 1);
  }
  if (auto sound = Params::From(params, spec.params); !sound) {
    return tl::unexpected(sound.error());
  }
  return params;
}

Result<> Save(const QueryOptions& options, const json& given, const CheckedAnswer& checked) {
  if (options.save.empty()) return {};
  if (!options.binary) return WriteFile(options.save, proto::AsBytes(given.dump(2) + "\n"));
  const auto bytes = proto::EncodeProof(checked.proven.proof());
  return bytes ? WriteFile(options.save, *bytes) : tl::unexpected(bytes.error());
}

// Each event checked, and printed on a line.
Result<> FollowMethod(const QueryOptions& options, const proto::Genesis& genesis,
                      const MethodSpec& spec, const std::string& address, json params) {
  const bool prove = spec.provable && !options.plain;
  json question = params;
  if (!spec.place.empty()) question.erase(spec.place);
  std::uint64_t next = 0;
  if (prove) params["prove"] = true;
  auto subscriber = Subscriber::Dial(address);
  if (!subscriber) return tl::unexpected(subscriber.error());
  if (const auto number = subscriber->Subscribe(spec.name, params); !number) {
    return tl::unexpected(number.error());
  }
  LightClient client(genesis);
  for (std::size_t told = 0; options.count == 0 || told < options.count; ++told) {
    auto event = subscriber->Next(kEventPatience);
    if (!event) return tl::unexpected(event.error());
    if (prove) {
      json& given = (*event)["answer"];
      const auto checked =
          Believe(client, address, given, [&] { return VerifyAnswer(client, given); });
      if (!checked) {
        return Fail(ErrorCode::kDenied, "the proof does not hold: " + checked.error().message);
      }
      json asked = checked->params;
      bool fits = true;
      if (!spec.place.empty()) {  // One item of several: the one that is next.
        asked.erase(spec.place);
        fits = checked->answer.value(spec.place, next) >= next;
        next = event->value("next", next);
        fits = fits && checked->answer.value(spec.place, next) + 1 == next;
      }
      if (!fits || checked->method != spec.name || asked != question) {
        return Fail(ErrorCode::kDenied, "the validator answers another question");
      }
      (*event)["answer"] = checked->answer;
    }
    event->erase("subscription");
    std::printf("%s\n", FormatJson(*event).c_str());
    std::fflush(stdout);
  }
  return {};
}

Result<> Query(const QueryOptions& options) {
  const auto genesis = ReadGenesis(options.access.GenesisPath());
  if (!genesis) return tl::unexpected(genesis.error());
  const MethodSpec* spec = FindMethod(options.method);
  if (spec == nullptr) {
    std::string names;
    for (const MethodSpec& one : MethodTable()) names += (names.empty() ? "" : ", ") + one.name;
    return Fail(ErrorCode::kInvalidArgument,
                "there is no method " + options.method + "; there is: " + names);
  }
  auto params = ParamsOf(*spec, options.params);
  if (!params) return tl::unexpected(params.error());
  const std::string address =
      options.rpc.empty() ? genesis->validators.front().rpc_address : options.rpc;
  if (options.follow) return FollowMethod(options, *genesis, *spec, address, *std::move(params));
  if (options.plain || !spec->provable) {
    if (!options.save.empty()) {
      return Fail(ErrorCode::kInvalidArgument, "there is no proof to save");
    }
    const auto answer = Call(address, options.method, *params);
    if (!answer) return tl::unexpected(answer.error());
    PrintJson(*answer);
    return {};
  }
  json asked = *params;
  asked["prove"] = true;
  auto given = Call(address, options.method, asked);
  if (!given) return tl::unexpected(given.error());
  LightClient client(*genesis);
  const auto checked = Believe(client, address, *given, [&] {
    return VerifyAnswer(client, options.method, *params, *given);
  });
  if (!checked) {
    return Fail(ErrorCode::kDenied, "the proof does not hold: " + checked.error().message);
  }
  if (auto saved = Save(options, *given, *checked); !saved) return saved;
  SayProgress("proved under block " + std::to_string(checked->proven.header().height) +
              ", signed by " + std::to_string(checked->proven.proof().signatures.size()) +
              " validators");
  PrintJson(checked->answer);
  return {};
}

}  // namespace

void AddProofCommands(CLI::App& app, Command& run) {
  const auto verify = std::make_shared<VerifyOptions>();
  CLI::App* verify_command =
      app.add_subcommand("verify", "Check an answer or a proof with the genesis document alone");
  verify->access.AddTo(*verify_command);
  verify_command->add_option("file", verify->file,
                             "A validator's answer with its proof, or a proof; - for the input");
  verify_command->add_option("--file", verify->file, "The same");
  verify_command->add_option("--request", verify->request, "Ask for this request's record instead");
  verify_command->add_option("--rpc", verify->rpc, "The validator to ask, host:port");
  verify_command->callback([&run, verify] {
    run = [verify]() -> Result<> {
      if (verify->file.empty() && verify->request == 0) {
        return Fail(ErrorCode::kInvalidArgument, "name a file, - for the input, or --request");
      }
      return Verify(*verify);
    };
  });

  const auto query = std::make_shared<QueryOptions>();
  CLI::App* query_command =
      app.add_subcommand("query", "Ask a validator, and believe what it proves");
  query->access.AddTo(*query_command);
  query_command->add_option("method", query->method, "As docs/rpc.md names it")->required();
  query_command->add_option("params", query->params, "NAME=VALUE");
  query_command->add_option("--rpc", query->rpc, "The validator to ask, host:port");
  query_command->add_option("--prove", query->save, "Save the answer with its proof in this file");
  query_command->add_flag("--binary", query->binary, "Save the proof alone, in its short form");
  query_command->add_flag("--plain", query->plain, "Ask for the newest state, without a proof");
  query_command->add_flag("--follow", query->follow,
                          "Subscribe: print what comes, a line each, until interrupted");
  query_command->add_option("--count", query->count, "With --follow: end after so many");
  query_command->callback([&run, query] { run = [query] { return Query(*query); }; });
}

}  // namespace node
