// The certified DAG above the garbage-collected rounds (Danezis, Kokoris-Kogias, Sonnino,
// Spiegelman 2022, "Narwhal and Tusk").
//
// Invariants:
//   1. At most one vertex for each (round, author): two certificates would share an honest voter.
//   2. Complete: whatever a vertex names, as parent or weakly, is here or at or below gc_round().
//   3. A vertex of round r + 1 has n - f parents of distinct authors, all of round r.
// Parents are votes and paths; weak links only add vertices to a history that is put in order.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "consensus/step.h"
#include "proto/committee.h"

namespace consensus {

using CertificatePtr = std::shared_ptr<const Certificate>;

class Dag {
 public:
  explicit Dag(const proto::Committee& committee) : committee_(committee) {}

  // Round above gc_round(), all it names present, none yet of its round and author (CHECKed).
  // `ordered`: a restart knows that it is part of an earlier commit.
  void Insert(CertificatePtr certificate, bool ordered = false);

  CertificatePtr Find(std::uint64_t round, proto::PartyId author) const;  // Null if absent.
  bool Contains(const Reference& reference) const;
  // The vertices of a round, ascending by author.
  std::vector<CertificatePtr> Round(std::uint64_t round) const;

  std::uint64_t gc_round() const { return gc_round_; }
  std::uint64_t highest_round() const;  // gc_round() when empty.
  std::uint64_t quorum_round() const;   // The highest round with n - f vertices; 0 if none.

  // Vertices of the next round with `leader` as a parent.
  std::uint16_t Votes(const Reference& leader) const;
  // Whether `to` is reached from `from` through parents alone.
  bool HasStrongPath(const Certificate& from, const Reference& to) const;

  // Everything not yet ordered that `leader` reaches through parents or weak links, itself
  // included, by (round, author); from now on ordered.
  std::vector<CertificatePtr> TakeHistory(const Certificate& leader);
  // What a new vertex with these parents should name weakly: vertices below the parents' round, not
  // yet ordered and not reached otherwise; the oldest `count_max`, by (round, author).
  std::vector<Reference> Unreached(const std::vector<CertificatePtr>& parents,
                                   std::size_t count_max) const;

  // Forgets all rounds up to `round`.
  void Collect(std::uint64_t round);

  std::size_t size() const { return size_; }
  // Vertices with batches that no commit contains.
  std::size_t unordered_payloads() const { return unordered_payloads_; }

 private:
  struct Vertex {
    CertificatePtr certificate;
    bool ordered = false;
  };
  using Rounds = std::map<std::uint64_t, std::map<proto::PartyId, Vertex>>;

  const Vertex* FindVertex(std::uint64_t round, proto::PartyId author) const;
  void CheckComplete(const Header& header) const;

  const proto::Committee committee_;
  Rounds rounds_;
  std::uint64_t gc_round_ = 0;
  std::size_t size_ = 0;  // Vertices.
  std::size_t unordered_payloads_ = 0;
};

}  // namespace consensus
