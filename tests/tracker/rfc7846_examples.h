// The message bodies that RFC 7846 gives as examples, as they stand there.
#pragma once

#include <string_view>

namespace ppspp::tracker::rfc7846 {

// 4.1.1.1: CONNECT of a seeder with two swarms.
inline constexpr std::string_view kConnectSeeder = R"json({
  "PPSPTrackerProtocol": {
    "version":              1,
    "request_type":         "CONNECT",
    "transaction_id":       "12345",
    "peer_id":              "656164657220",
    "connect":{
        "peer_addr": {
               "ip_address": {
                    "address_type":     "ipv4",
                    "address":          "192.0.2.2"
               },
               "port":         80,
               "priority":     1,
               "type":         "HOST",
               "connection":   "wired",
               "asn":          "45645"
        },
        "swarm_action": [{
            "swarm_id":       "1111",
            "action":         "JOIN",
            "peer_mode":      "SEEDER"
        },
        {
            "swarm_id":       "2222",
            "action":         "JOIN",
            "peer_mode":      "SEEDER"
        }]
    }
  }
})json";

// 4.1.1.1: CONNECT of a leech with two addresses.
inline constexpr std::string_view kConnectLeech = R"json({
  "PPSPTrackerProtocol": {
    "version":               1,
    "request_type":          "CONNECT",
    "transaction_id":        "12345.0",
    "peer_id":               "656164657221",
    "connect":{
        "peer_num": {
            "peer_count":        5,
            "ability_nat":       "STUN",
            "concurrent_links":  "5",
            "online_time":       "200",
            "upload_bandwidth":  "600"
         },
         "peer_addr": [{
               "ip_address": {
                    "address_type":     "ipv4",
                    "address":          "192.0.2.2"
               },
               "port":         80,
               "priority":     1,
               "type":         "HOST",
               "connection":   "wired",
               "asn":          "3256546"
         },
         {
               "ip_address":{
                   "address_type":     "ipv6",
                   "address":          "2001:db8::2"
               },
               "port":         80,
               "priority":     2,
               "type":         "HOST",
               "connection":   "wireless",
               "asn":          "34563456",
               "peer_protocol": "PPSP-PP"
         }],
         "swarm_action": {
            "swarm_id":       "1111",
            "action":         "JOIN",
            "peer_mode":      "LEECH"
         }
    }
  }
})json";

// 4.1.1.1: CONNECT that leaves one swarm and joins another.
inline constexpr std::string_view kConnectSwitch = R"json({
  "PPSPTrackerProtocol": {
    "version":              1,
    "request_type":         "CONNECT",
    "transaction_id":       "12345",
    "peer_id":              "656164657221",
    "connect":{
        "peer_num": {
            "peer_count":        5,
            "ability_nat":       "STUN",
            "concurrent_links":  "5",
            "online_time":       "200",
            "upload_bandwidth":  "600"
        },
        "swarm_action": [{
            "swarm_id":          "1111",
            "action":            "LEAVE",
            "peer_mode":         "LEECH"
        },
        {
            "swarm_id":          "2222",
            "action":            "JOIN",
            "peer_mode":         "LEECH"
        }]
    }
  }
})json";

// 4.1.1.1: the response to it.
inline constexpr std::string_view kConnectResponse = R"json({
  "PPSPTrackerProtocol": {
    "version":               1,
    "response_type":         0,
    "error_code":            0,
    "transaction_id":        "12345",
    "peer_addr": {
        "ip_address": {
            "address_type":     "ipv4",
            "address":          "198.51.100.1"
        },
        "port":          80,
        "priority":      1,
        "asn":           "64496"
   },
   "swarm_result": {
        "swarm_id":        "2222",
        "result":          0,
        "peer_group": {
            "peer_info": [{
                "peer_id":    "956264622298",
                "peer_addr": {
                    "ip_address": {
                        "address_type":     "ipv4",
                        "address":          "198.51.100.22"
                    },
                    "port":          80,
                    "priority":      2,
                    "type":          "REFLEXIVE",
                    "connection":    "wired",
                    "asn":           "64496",
                    "peer_protocol": "PPSP-PP"
                }
            },
            {
                "peer_id":    "3332001256741",
                "peer_addr": {
                    "ip_address": {
                        "address_type":     "ipv4",
                        "address":          "198.51.100.201"
                    },
                    "port":          80,
                    "priority":      2,
                    "type":          "REFLEXIVE",
                    "connection":    "wired",
                    "asn":           "64496",
                    "peer_protocol": "PPSP-PP"
                }
            }]
          }
       }
   }
})json";

// 4.1.2.1: FIND.
inline constexpr std::string_view kFind = R"json({
  "PPSPTrackerProtocol": {
      "version":             1,
      "request_type":        "FIND",
      "transaction_id":      "12345",
      "peer_id":             "656164657221",
      "swarm_id":            "1111",
      "peer_num": {
          "peer_count":        5,
          "ability_nat":       "STUN",
          "concurrent_links":  "5",
          "online_time":       "200",
          "upload_bandwidth":  "600"
      }
  }
})json";

// 4.1.2.1: the response to it.
inline constexpr std::string_view kFindResponse = R"json({
  "PPSPTrackerProtocol": {
      "version":             1,
      "response_type":       0,
      "error_code":          0,
      "transaction_id":      "12345",
      "swarm_result": {
          "swarm_id":        "1111",
          "result":          0,
          "peer_group": {
              "peer_info": [{
                  "peer_id":    "656164657221",
                  "peer_addr": {
                      "ip_address": {
                          "address_type":     "ipv4",
                          "address":          "198.51.100.1"
                      },
                      "port":          80,
                      "priority":      1,
                      "type":          "REFLEXIVE",
                      "connection":    "wireless",
                      "asn":           "64496"
                  }
              },
              {
                  "peer_id":    "956264622298",
                  "peer_addr": {
                      "ip_address": {
                          "address_type":     "ipv4",
                          "address":          "198.51.100.22"
                      },
                      "port":          80,
                      "priority":      1,
                      "type":          "REFLEXIVE",
                      "connection":    "wireless",
                      "asn":           "64496"
                  }
              },
              {
                  "peer_id":    "3332001256741",
                  "peer_addr": {
                      "ip_address": {
                          "address_type":     "ipv4",
                          "address":          "198.51.100.201"
                      },
                      "port":          80,
                      "priority":      1,
                      "type":          "REFLEXIVE",
                      "connection":    "wireless",
                      "asn":           "64496"
                  }
              }]
          }
      }
  }
})json";

// 4.1.3.1: STAT_REPORT.
inline constexpr std::string_view kStatReport = R"json({
  "PPSPTrackerProtocol": {
      "version":             1,
      "request_type":        "STAT_REPORT",
      "transaction_id":      "12345",
      "peer_id":             "656164657221",
      "stat_report": {
          "type":  "STREAM_STATS",
          "Stat": {
                "swarm_id":              "1111",
                "uploaded_bytes":        512,
                "downloaded_bytes":      768,
                "available_bandwidth":   1024000,
                "concurrent_links":      5
          }
      }
  }
})json";

// 4.1.3.1: the response to it.
inline constexpr std::string_view kStatReportResponse = R"json({
  "PPSPTrackerProtocol": {
      "version":              1,
      "response_type":        0,
      "error_code":           0,
      "transaction_id":       "12345",
      "swarm_result": {
          "swarm_id":     "1111",
          "result":       0
      }
  }
})json";

}  // namespace ppspp::tracker::rfc7846
