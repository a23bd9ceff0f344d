// What a service manager wants to know and hands over: readiness and watchdog, listening sockets,
// and log lines with a priority. Without a service manager all of it does nothing.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "ppspp/result.h"

namespace ppspp::daemon::systemd {

// One line for `systemctl status`.
void notify_status(std::string_view status);
void notify_ready(std::string_view status);
void notify_reloading();
void notify_stopping();
void notify_watchdog();

// How often the service manager must hear of us; absent: never.
std::optional<std::chrono::microseconds> watchdog_interval();

// Sockets that were opened for us. By their FileDescriptorName=: "udp" or "node", "control",
// "gateway", "metrics"; those without such a name by what they are: UDP, a Unix socket, and the
// first TCP socket is the gateway, the second the metrics.
struct Sockets {
  std::vector<int> udp;
  std::vector<int> control;
  std::vector<int> gateway;
  std::vector<int> metrics;
};
// Takes them out of the environment, so that children do not see them. Error: a socket that is of
// no use here.
Result<Sockets> take_sockets();

// Standard error goes to the journal, which reads a priority at the begin of each line.
bool stderr_is_journal();
// "<4>", or empty for a level that has none.
std::string_view journal_prefix(LogLevel level);

}  // namespace ppspp::daemon::systemd
