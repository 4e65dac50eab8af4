#include "node/rpc/method_table.h"

#include <algorithm>

namespace node {
namespace {

using enum ParamType;
using enum RpcCode;

std::vector<MethodSpec> Table() {
  return {
      {.name = "status",
       .about = "This validator and its chain.",
       .result = "Heights, epoch, "
                 "stake, peers, catch-up; `ready`, or `why_not_ready`.",
       .follow = Follow::kChanges},
      {.name = "params",
       .about = "The chain's parameters.",
       .result = "{chain, spec}",
       .errors = {kExhausted},
       .provable = true},
      {.name = "block",
       .about = "A block: its header and the receipts of its transactions.",
       .params = {{"height", kNumber, "Else the newest.", false}},
       .result = "The header's fields, `header` as it is hashed, `transactions`; without `prove` "
                 "also `signatures`.",
       .errors = {kNotFound, kCorrupt, kExhausted},
       .provable = true,
       .follow = Follow::kItems,
       .place = "height"},
      {.name = "transaction",
       .about = "Where a transaction stands, what it says, what became of it.",
       .params = {{"id", kHex32, "Of the transaction."}},
       .result = "{id, status, height, index, receipt, bytes, hex, payload}; `status` is "
                 "\"unknown\" when it is in no block here.",
       .errors = {kNotFound, kCorrupt, kExhausted},
       .provable = true,
       .follow = Follow::kChanges},
      {.name = "submit_transaction",
       .about = "Hands in a signed transaction. A member has it on disk when this returns; another "
                "node keeps it in memory until members have taken it.",
       .params = {{"hex", kHex, "The transaction's canonical bytes."}},
       .result = "{id}",
       .errors = {kDenied, kExhausted}},
      {.name = "account",
       .about = "An account's balance and the nonce of its next transaction.",
       .params = {{"key", kHex32, "The account's public key."}},
       .result = "{balance, nonce}; zeros for an account that was never used.",
       .errors = {kExhausted},
       .provable = true,
       .follow = Follow::kChanges},
      {.name = "models",
       .about = "All registered models.",
       .result = "A list of what `model` answers.",
       .errors = {kExhausted},
       .provable = true,
       .follow = Follow::kChanges},
      {.name = "model",
       .about = "A registered model's manifest and status.",
       .params = {{"id", kHex32, "Of the model."}},
       .result = "The manifest, `id`, `status`; without `prove` also `files_here`.",
       .errors = {kNotFound, kExhausted},
       .provable = true,
       .follow = Follow::kChanges},
      {.name = "request",
       .about = "The ledger's record of a request for inference.",
       .params = {{"id", kNumber, "Of the request."}},
       .result = "Status, price, rounds, attestations, output shares, who is named; without "
                 "`prove` also what it cost this validator.",
       .errors = {kNotFound, kExhausted},
       .provable = true,
       .follow = Follow::kChanges},
      {.name = "attempt",
       .about = "The ledger's record of a preprocessing attempt.",
       .params = {{"id", kNumber, "Of the attempt."}},
       .result = "Status, layers, votes, culprits; without `prove` also what it cost this "
                 "validator.",
       .errors = {kNotFound, kExhausted},
       .provable = true,
       .follow = Follow::kChanges},
      {.name = "pool",
       .about = "Bundles by model and length.",
       .result = "A list of {model, name, bucket, tokens, target, ready, waiting, started}.",
       .errors = {kExhausted},
       .provable = true,
       .follow = Follow::kChanges},
      {.name = "record",
       .about = "Any record of the state, by its key.",
       .params = {{"key", kHex, "As proto/wire/records.h makes it."}},
       .result = "{key, value}; the value in canonical bytes, null when there is none.",
       .errors = {kExhausted},
       .provable = true},
      {.name = "mask_shares",
       .about = "A request's owner's shares of its masks, sealed to a key of the owner's.",
       .params = {{"request", kNumber, "Its number."},
                  {"ephemeral_key", kHex32, "To seal to."},
                  {"signature", kHex64, "The owner's, of this question."}},
       .result = "{party, attempt, sealed, signature}",
       .errors = {kNotFound, kDenied}},
      {.name = "request_progress",
       .about = "What this validator has computed of the answer to a request so far: its shares of "
                "the masked output, step by step.",
       .params = {{"request", kNumber, "Its number."},
                  {"from", kNumber, "The first step to tell, from 0; else 0.", false}},
       .result = "{steps}: a list of at most 256 {shares, signature}, the first that of step "
                 "`from`; the signature is the validator's, of the shares as those of this step. "
                 "Empty when there is nothing yet, or the request has ended for long.",
       .errors = {kNotFound},
       .follow = Follow::kItems,
       .place = "from",
       .items = "steps"},
      {.name = "model_file",
       .about = "A part of a registered model's file.",
       .params = {{"digest", kHex32, "The file's hash."},
                  {"offset", kNumber, "Where the part begins; else 0.", false}},
       .result = "{size, offset, hex}",
       .errors = {kNotFound, kCorrupt}},
      {.name = "upload_model_file",
       .about = "Brings a part of a registered model's file; parts come in order.",
       .params = {{"digest", kHex32, "The file's hash."},
                  {"size", kNumber, "Of the whole file."},
                  {"offset", kNumber, "Where the part begins."},
                  {"hex", kHex, "The part."}},
       .result = "{received, done}",
       .errors = {kDenied, kExhausted, kCorrupt}},
      {.name = "peers",
       .about = "The links to other validators.",
       .result = "A list of {validator, address, connected, bytes_sent, bytes_received}.",
       .follow = Follow::kChanges},
      {.name = "epoch",
       .about = "An epoch: its validators and who of them computes.",
       .params = {{"number", kNumber, "Else the present one.", false}},
       .result = "{number, first_height, first_round, committee_hash, validators, computing}",
       .errors = {kNotFound, kExhausted},
       .provable = true,
       .follow = Follow::kChanges},
      {.name = "epoch_links",
       .about = "The links by which a light client reaches later epochs.",
       .params = {{"from", kNumber, "The epoch that the client has; else the first.", false}},
       .result = "A list of encoded links, at most 64.",
       .errors = {kCorrupt}},
      {.name = "validators",
       .about = "Who has stake, and who is a member.",
       .result = "A list of {name, key, status, stake, member, ...}.",
       .errors = {kExhausted},
       .provable = true,
       .follow = Follow::kChanges},
      {.name = "block_page",
       .about = "A run of blocks for a node that follows.",
       .params = {{"height", kNumber, "The first one's."}, {"epoch", kNumber, "Theirs."}},
       .result = "{page}",
       .errors = {kNotFound, kCorrupt}},
      {.name = "sync",
       .about = "A question about snapshots of the state, for a node that starts.",
       .params = {{"message", kHex, "A question of proto/wire/sync.h, at most 64 bytes."}},
       .result = "{message}, the answer in the same form.",
       .errors = {kCorrupt}},
  };
}

}  // namespace

const std::vector<MethodSpec>& MethodTable() {
  static const std::vector<MethodSpec> table = Table();
  return table;
}

const MethodSpec* FindMethod(std::string_view name) {
  const auto& table = MethodTable();
  const auto found = std::ranges::find(table, name, &MethodSpec::name);
  return found == table.end() ? nullptr : &*found;
}

}  // namespace node
