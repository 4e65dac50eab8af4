#include "node/rpc/metrics.h"

namespace node {

std::string Metrics(Backend& backend) {
  std::string out;
  const auto gauge = [&](const std::string& name, const std::string& help, std::uint64_t value) {
    out += "# HELP " + name + " " + help + "\n# TYPE " + name + " gauge\n" + name + " " +
           std::to_string(value) + "\n";
  };
  const Snapshot latest = backend.latest();
  const auto proven = backend.proven();
  gauge("waxseal_height", "Newest executed block.", latest.header().height);
  gauge("waxseal_round", "Round of its leader.", latest.header().round);
  gauge("waxseal_proven_height", "Newest block signed by n-f validators.",
        proven ? proven->header.height : 0);
  std::uint64_t up = 0;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  for (const PeerLink& peer : backend.peers()) {
    up += peer.up ? 1 : 0;
    sent += peer.bytes_sent;
    received += peer.bytes_received;
  }
  gauge("waxseal_peers_connected", "Validators this one can send to.", up);
  gauge("waxseal_peer_bytes_sent", "Bytes to validators since the start.", sent);
  gauge("waxseal_peer_bytes_received", "Bytes from validators since the start.", received);
  const Counters counters = backend.counters();
  gauge("waxseal_own_round", "Round of the newest own header.", counters.rounds);
  gauge("waxseal_commits", "Commits of consensus.", counters.commits);
  gauge("waxseal_executed_transactions", "Since the start.", counters.transactions);
  gauge("waxseal_checks_saved", "Transactions that were checked before they were executed.",
        counters.checks_saved);
  gauge("waxseal_signature_checks", "Of consensus' messages.", counters.signature_checks);
  gauge("waxseal_share_checks", "Of the coin.", counters.share_checks);
  gauge("waxseal_messages_sent", "Of consensus, to validators.", counters.messages_sent);
  gauge("waxseal_store_syncs", "Syncs of the store's files.", counters.store_syncs);
  gauge("waxseal_store_bytes_written", "To the store's files.", counters.store_bytes);
  const SyncStatus sync = backend.sync_status();
  gauge("waxseal_votes", "1 while this validator votes.", sync.votes ? 1 : 0);
  gauge("waxseal_observing", "1 when it only observes in this epoch.", sync.observing ? 1 : 0);
  gauge("waxseal_catching_up", "1 while it fetches rounds it missed.", sync.catching_up ? 1 : 0);
  gauge("waxseal_highest_round", "Highest round known here.", sync.highest_round);
  gauge("waxseal_snapshots_kept", "Snapshots kept for others.", sync.snapshots_kept);
  const DownloadStatus download = sync.download.value_or(DownloadStatus{});
  gauge("waxseal_snapshot_downloading", "1 while a snapshot is fetched.", sync.download ? 1 : 0);
  gauge("waxseal_snapshot_chunks_done", "Its chunks that are here.", download.chunks_done);
  gauge("waxseal_snapshot_chunks", "Its chunks.", download.chunks_total);
  gauge("waxseal_snapshot_bytes_per_second", "Its rate.", download.bytes_per_second);
  const proto::Totals totals = latest.totals();
  gauge("waxseal_requests", "Requests ever opened.", totals.requests);
  gauge("waxseal_attempts", "Preprocessing attempts ever started.", totals.attempts);
  gauge("waxseal_attempts_in_progress", "Preprocessing attempts under way.", totals.in_progress);
  return out;
}

}  // namespace node
