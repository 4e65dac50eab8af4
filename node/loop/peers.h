// The network of the validators that this node talks to now, by their keys. A Network has a fixed
// set of peers; when the set or what they say of themselves changes, it is replaced by another one
// on the same port. What was under way is lost with it, as with any link, and on_connected says so.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "node/net/network.h"
#include "node/rpc/backend.h"
#include "proto/spec.h"

namespace node {

class Peers {
 public:
  struct Callbacks {  // As Network's.
    std::function<bool(const proto::PublicKey&, Channel, proto::Bytes&)> on_message;
    std::function<void(const proto::PublicKey&, Channel)> on_connected;
  };

  Peers(std::string listen_address, Callbacks callbacks)
      : listen_address_(std::move(listen_address)), callbacks_(std::move(callbacks)) {}
  ~Peers() { Stop(); }

  // Connects to the others among `validators` (ascending by key) as the one that has this
  // identity's certificate; to nobody if none has. Not from a callback. Validators whose
  // certificates cannot be pinned are left out.
  proto::Result<> Become(const TlsIdentity& identity,
                         const std::vector<proto::ValidatorSpec>& validators);
  // Drops the message when there is no such peer now.
  void Send(const proto::PublicKey& to, Channel channel,
            std::shared_ptr<const proto::Bytes> message);
  void Stop();
  std::vector<PeerLink> status() const;
  std::size_t connected() const;

 private:
  struct Active {
    std::vector<proto::ValidatorSpec> validators;  // A peer's number is its index.
    std::unique_ptr<Network> network;
  };

  const std::string listen_address_;
  const Callbacks callbacks_;
  // Of the last Become: what is pinned is a function of it, and costs a signature or two each.
  std::vector<proto::ValidatorSpec> asked_;
  std::string asked_as_;
  std::vector<proto::ValidatorSpec> wanted_;
  mutable std::mutex mutex_;
  std::shared_ptr<Active> active_;  // Guarded; used outside the lock.
};

}  // namespace node
