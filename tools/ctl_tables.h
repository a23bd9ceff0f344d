// What ppspp-ctl shows to people: lines without an end. `width` is the terminal's, 0 if there is
// none.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "control/control_types.h"

namespace ppspp::tools {

using Lines = std::vector<std::string>;

Lines swarm_table(const std::vector<control::SwarmInfo>& swarms, std::size_t width);
Lines swarm_details(const control::SwarmInfo& swarm);
std::string swarm_line(const control::SwarmInfo& swarm);  // "7 film.ts: seeding"
Lines peer_table(const std::vector<control::PeerInfo>& peers, std::size_t width, bool utf8);
// One line: how much of the content is here, and where.
std::string availability_line(const control::SwarmInfo& swarm,
                              const control::Availability& availability, std::size_t width,
                              bool utf8);
Lines limits_list(const control::Limits& limits);
Lines limits_list(const control::GlobalLimits& limits);
Lines ban_table(const std::vector<control::BanInfo>& bans, std::size_t width);
Lines account_table(const std::vector<control::AccountEntry>& accounts, std::size_t width);
Lines daemon_details(const control::DaemonInfo& info);
std::string log_line(const control::LogEntry& entry);
std::string event_line(const control::Event& event);

}  // namespace ppspp::tools
