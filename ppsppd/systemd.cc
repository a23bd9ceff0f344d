#include "systemd.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <memory>

#include "metadata/text.h"

namespace ppspp::daemon::systemd {
namespace {

void notify(const std::string& message) {
  // Nobody who listens is no error; one who does not answer is not ours to complain of.
  static_cast<void>(sd_notify(0, message.c_str()));
}

std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    if (c == '\n') c = ' ';
  }
  return line;
}

struct StringsDeleter {
  void operator()(char** strings) const {
    for (char** each = strings; each != nullptr && *each != nullptr; ++each) std::free(*each);
    std::free(static_cast<void*>(strings));
  }
};

// Where a socket goes by what it is, or null.
std::vector<int>* home_by_type(Sockets& sockets, int fd) {
  if (sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0) return &sockets.control;
  for (const int family : {AF_INET, AF_INET6}) {
    if (sd_is_socket(fd, family, SOCK_DGRAM, -1) > 0) return &sockets.udp;
    if (sd_is_socket(fd, family, SOCK_STREAM, 1) > 0) {
      return sockets.gateway.empty() ? &sockets.gateway : &sockets.metrics;
    }
  }
  return nullptr;
}

std::vector<int>* home_by_name(Sockets& sockets, std::string_view name) {
  if (name == "udp" || name == "node") return &sockets.udp;
  if (name == "control") return &sockets.control;
  if (name == "gateway") return &sockets.gateway;
  if (name == "metrics") return &sockets.metrics;
  return nullptr;
}

bool fits(int fd, const Sockets& sockets, const std::vector<int>* home) {
  const bool of_ip = sd_is_socket(fd, AF_INET, 0, -1) > 0 || sd_is_socket(fd, AF_INET6, 0, -1) > 0;
  if (home == &sockets.udp) return of_ip && sd_is_socket(fd, AF_UNSPEC, SOCK_DGRAM, -1) > 0;
  return sd_is_socket(fd, AF_UNSPEC, SOCK_STREAM, 1) > 0;
}

}  // namespace

void notify_status(std::string_view status) {
  notify(fmt::format("STATUS={}", one_line(status)));
}

void notify_ready(std::string_view status) {
  notify(fmt::format("READY=1\nSTATUS={}", one_line(status)));
}

void notify_reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  notify(
      fmt::format("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1'000'000 + now.tv_nsec / 1000));
}

void notify_stopping() {
  notify("STOPPING=1\nSTATUS=Taking leave of peers");
}

void notify_watchdog() {
  notify("WATCHDOG=1");
}

std::optional<std::chrono::microseconds> watchdog_interval() {
  std::uint64_t interval = 0;
  if (sd_watchdog_enabled(0, &interval) <= 0 || interval == 0) return std::nullopt;
  return std::chrono::microseconds(interval);
}

Result<Sockets> take_sockets() {
  Sockets sockets;
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(1, &names);
  const std::unique_ptr<char*, StringsDeleter> owned(names);
  if (count < 0) {
    return fail(Errc::invalid_argument,
                "the service manager's list of sockets makes no sense: "
                "LISTEN_FDS");
  }
  for (int i = 0; i < count; ++i) {
    const int fd = SD_LISTEN_FDS_START + i;
    const std::string_view name = names != nullptr ? names[i] : "";
    std::vector<int>* const named = home_by_name(sockets, name);
    std::vector<int>* const home = named != nullptr ? named : home_by_type(sockets, fd);
    if (home == nullptr || !fits(fd, sockets, home)) {
      return fail(
          Errc::invalid_argument,
          fmt::format("the socket {} of the service manager is of no use: FileDescriptorName="
                      " must be udp, control, gateway or metrics, and its type must fit",
                      ppspp::quoted(name)));
    }
    home->push_back(fd);
  }
  return sockets;
}

bool stderr_is_journal() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat status = {};
  if (stream == nullptr || fstat(STDERR_FILENO, &status) != 0) return false;
  return stream == fmt::format("{}:{}", status.st_dev, status.st_ino);
}

std::string_view journal_prefix(LogLevel level) {
  switch (level) {
    case LogLevel::error:
      return SD_ERR;
    case LogLevel::warning:
      return SD_WARNING;
    case LogLevel::info:
      return SD_INFO;
    case LogLevel::debug:
      return SD_DEBUG;
  }
  return {};
}

}  // namespace ppspp::daemon::systemd
