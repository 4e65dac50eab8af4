#include "node/loop/passphrase.h"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

namespace node {

using proto::Bytes;
using proto::ErrorCode;
using proto::Fail;
using proto::Result;

namespace {

// Up to the end of the file, or of the line where `line`.
Result<Bytes> ReadFrom(int file, bool line) {
  Bytes text;
  text.reserve(kPassphraseBytesMax + 1);  // Not moved, so that the caller erases all of it.
  for (;;) {
    std::uint8_t byte = 0;
    const ssize_t got = ::read(file, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Fail(ErrorCode::kUnavailable, "the passphrase cannot be read");
    if (got == 0 || (line && byte == '\n')) break;
    if (text.size() == kPassphraseBytesMax) {
      return Fail(ErrorCode::kExhausted, "the passphrase is longer than 1024 bytes");
    }
    text.push_back(byte);
  }
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

Result<Bytes> Prompt(int terminal, const std::string& purpose) {
  termios before{};
  if (::tcgetattr(terminal, &before) != 0) {
    return Fail(ErrorCode::kUnavailable, "the terminal cannot be switched to silent input");
  }
  const std::string text = "Passphrase " + purpose + ": ";
  (void)!::write(terminal, text.data(), text.size());
  termios silent = before;
  silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
  ::tcsetattr(terminal, TCSAFLUSH, &silent);
  auto passphrase = ReadFrom(terminal, true);
  ::tcsetattr(terminal, TCSAFLUSH, &before);
  (void)!::write(terminal, "\n", 1);
  return passphrase;
}

}  // namespace

Result<Bytes> AskPassphrase(const std::string& purpose) {
  if (const char* number = std::getenv("WAXSEAL_PASSPHRASE_FD")) {
    char* end = nullptr;
    const long file = std::strtol(number, &end, 10);
    if (end == number || *end != '\0' || file < 0 || file > 1 << 20) {
      return Fail(ErrorCode::kInvalidArgument, "WAXSEAL_PASSPHRASE_FD is no file descriptor");
    }
    return ReadFrom(static_cast<int>(file), false);
  }
  if (const char* text = std::getenv("WAXSEAL_PASSPHRASE")) {
    const proto::ByteSpan bytes = proto::AsBytes(std::string_view(text));
    return Bytes(bytes.begin(), bytes.end());
  }
  const int terminal = ::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (terminal < 0) {
    return Fail(
        ErrorCode::kDenied,
        "a passphrase is needed " + purpose +
            ": give it in WAXSEAL_PASSPHRASE, or name an open file in WAXSEAL_PASSPHRASE_FD");
  }
  auto passphrase = Prompt(terminal, purpose);
  ::close(terminal);
  return passphrase;
}

}  // namespace node
