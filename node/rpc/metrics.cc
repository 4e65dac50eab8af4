#include "node/rpc/metrics.h"

#include <fstream>
#include <utility>
#include <vector>

#include <prometheus/text_serializer.h>
#include <unistd.h>

namespace node {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

class Page {
 public:
  void Gauge(const std::string& name, const std::string& help, std::uint64_t value) {
    ClientMetric metric;
    metric.gauge.value = static_cast<double>(value);
    Add("waxseal_" + name, help, MetricType::Gauge, std::move(metric));
  }
  // Since the start; names end in _total.
  void Counter(const std::string& name, const std::string& help, std::uint64_t value) {
    ClientMetric metric;
    metric.counter.value = static_cast<double>(value);
    Add("waxseal_" + name, help, MetricType::Counter, std::move(metric));
  }

  void Peers(const std::vector<PeerLink>& peers) {
    MetricFamily up{
        "waxseal_peer_up", "1 while this validator can send to the peer.", MetricType::Gauge, {}};
    MetricFamily sent{"waxseal_peer_sent_bytes_total", "To the peer.", MetricType::Counter, {}};
    MetricFamily received{
        "waxseal_peer_received_bytes_total", "From the peer.", MetricType::Counter, {}};
    for (const PeerLink& peer : peers) {
      ClientMetric metric;
      metric.label = {{"peer", peer.name}};
      metric.gauge.value = peer.up ? 1 : 0;
      up.metric.push_back(metric);
      metric.counter.value = static_cast<double>(peer.bytes_sent);
      sent.metric.push_back(metric);
      metric.counter.value = static_cast<double>(peer.bytes_received);
      received.metric.push_back(std::move(metric));
    }
    families_.insert(families_.end(), {std::move(up), std::move(sent), std::move(received)});
  }

  // Prometheus' own names for what every process has.
  void Process() {
    std::uint64_t pages = 0;
    std::uint64_t resident = 0;
    std::ifstream("/proc/self/statm") >> pages >> resident;
    ClientMetric metric;
    metric.gauge.value =
        static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
    Add("process_resident_memory_bytes", "Memory in use.", MetricType::Gauge, std::move(metric));
  }

  std::string Text() const { return prometheus::TextSerializer().Serialize(families_); }

 private:
  void Add(std::string name, const std::string& help, MetricType type, ClientMetric metric) {
    families_.push_back({std::move(name), help, type, {std::move(metric)}});
  }

  std::vector<MetricFamily> families_;
};

void AddSync(const SyncStatus& sync, Page& page) {
  page.Gauge("votes", "1 while this validator votes.", sync.votes ? 1 : 0);
  page.Gauge("observing", "1 when it only observes in this epoch.", sync.observing ? 1 : 0);
  page.Gauge("catching_up", "1 while it fetches rounds it missed.", sync.catching_up ? 1 : 0);
  page.Gauge("highest_round", "Highest round known here.", sync.highest_round);
  page.Gauge("snapshots_kept", "Snapshots kept for others.", sync.snapshots_kept);
  const DownloadStatus download = sync.download.value_or(DownloadStatus{});
  page.Gauge("snapshot_downloading", "1 while a snapshot is fetched.", sync.download ? 1 : 0);
  page.Gauge("snapshot_chunks_done", "Its chunks that are here.", download.chunks_done);
  page.Gauge("snapshot_chunks", "Its chunks.", download.chunks_total);
  page.Gauge("snapshot_bytes_per_second", "Its rate.", download.bytes_per_second);
}

void AddCounters(const Counters& counters, Page& page) {
  page.Gauge("own_round", "Round of the newest own header.", counters.rounds);
  page.Counter("commits_total", "Commits of consensus.", counters.commits);
  page.Counter("executed_transactions_total", "Executed.", counters.transactions);
  page.Counter("checks_saved_total", "Transactions that were checked before they were executed.",
               counters.checks_saved);
  page.Counter("signature_checks_total", "Of consensus' messages.", counters.signature_checks);
  page.Counter("share_checks_total", "Of the coin.", counters.share_checks);
  page.Counter("messages_sent_total", "Of consensus, to validators.", counters.messages_sent);
  page.Counter("store_syncs_total", "Syncs of the store's files.", counters.store_syncs);
  page.Counter("store_written_bytes_total", "To the store's files.", counters.store_bytes);
}

}  // namespace

std::string Metrics(Backend& backend) {
  Page page;
  const Snapshot latest = backend.latest();
  const auto proven = backend.proven();
  page.Gauge("ready", "1 while /ready answers 200.", backend.why_not_ready() ? 0 : 1);
  page.Gauge("epoch", "The present one.", latest.totals().epoch);
  page.Gauge("height", "Newest executed block.", latest.header().height);
  page.Gauge("round", "Round of its leader.", latest.header().round);
  page.Gauge("proven_height", "Newest block signed by n-f validators.",
             proven ? proven->header.height : 0);
  page.Peers(backend.peers());
  AddCounters(backend.counters(), page);
  AddSync(backend.sync_status(), page);
  const proto::Totals totals = latest.totals();
  page.Gauge("requests", "Requests ever opened.", totals.requests);
  page.Gauge("attempts", "Preprocessing attempts ever started.", totals.attempts);
  page.Gauge("attempts_in_progress", "Preprocessing attempts under way.", totals.in_progress);
  page.Process();
  return page.Text();
}

}  // namespace node
