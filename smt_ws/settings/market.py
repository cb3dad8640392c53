"""What the market's rules leave to an operator: limits, terms, and the figures of validation. Each has its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from smt_ws.settings.section import Location, Section

__all__ = ["Agreements", "Han", "Limits", "Validation"]


class Limits(Section):
    """Every bound on what a request may ask, with its source."""

    esiids_per_request: int = Field(50_000, ge=1, le=50_000, description="R3")
    orders_per_day: int = Field(20_000, ge=1, description="orders of a company on one day (US/Central)")
    open_esiids: int = Field(1_000_000, ge=1, description="ESI IDs in a company's unfinished orders: 20 of the largest")
    days_per_part: int = Field(50_000, ge=1, le=50_000, description="ESI-ID-days a file: R7; keeps zip below zip64")
    history_months_market: int = Field(48, ge=1, description="REPs and TDSPs, interval and daily: R4")
    history_months_others: int = Field(13, ge=1, description="third parties, customers, regulators: R4")
    history_months_bills: int = Field(24, ge=1, description="monthly billing, everybody: R4")
    inline_days_interval: int = Field(40, ge=1, description="days answered in the response itself: R9")
    inline_days_daily: int = Field(1200, ge=1, description="R9")
    inline_days_monthly: int = Field(732, ge=1, description="24 months: R9")
    keep_files_days: int = Field(10, ge=1, description="R7, R8")
    changes_per_request: int = Field(
        500_000, ge=1, description="days of one channel that an order for changes may hold: R13; about 0.25 kB each"
    )
    posting_opened_days: int = Field(
        60, ge=0, description="how far back a posting holds days that a change of REP or a grant has opened: R15"
    )
    missing_usage_days: int = Field(10_000, ge=1, description="ESI-ID-days a MissingUsage answer may be about: R14")
    due_days: int = Field(2, ge=1, description="a day's data is due this many days later; before that: not yet due")
    late_days: int = Field(
        10, ge=1, description="after that, a missing day is late at the TDSP until this age; then a gap"
    )
    missing_days_back: int = Field(38, ge=1, le=400, description="days the missing-usage report looks back: U7")
    repeat_hours: float = Field(24, gt=0, description="how long a repeated request gets its first answer")
    body_bytes: int = Field(8_000_000, ge=100_000, description="one SOAP message; 50,000 ESI IDs take about 2 MB")


class Agreements(Section):
    """Bounds on what companies may ask customers for (A6, A7, A13, A23). Three one-time reports a year is a rule."""

    invitation_days: int = Field(30, ge=1, le=365, description="an invitation is open so long: A7, BR-4")
    resends: int = Field(1, ge=0, le=10, description="times that an invitation may be sent again: A13")
    meters_per_request: int = Field(50, ge=1, le=1000, description="each becomes an agreement of its own: A5")
    esiids_per_customer: int = Field(
        10, ge=1, description="ESI IDs for which one address of a customer who is not registered is invited a year: A23"
    )
    esiids_per_business: int = Field(
        250, ge=1, description="ESI IDs that one business account may accept for a year (a chain has many shops): A25"
    )
    collected_homes_alarm: int = Field(
        5, ge=1, description="homes that one account adds in 30 days before the operator is told: A25"
    )
    emails_to_address_a_day: int = Field(
        50, ge=1, description="e-mails that companies may cause to one address, as many as one request may list: A26"
    )
    emails_of_company_a_day: int = Field(
        5000, ge=1, description="e-mails that one company may cause to customers, so that no program floods them: A26"
    )
    unconfirmed_an_hour: int = Field(
        100, ge=1, description="requests of a company that name what does not fit together, before it has to wait: A23"
    )
    keep_years: int = Field(3, ge=1, description="agreements that have ended, with their history, stay so long: A16")
    disowned_alarm: int = Field(
        3, ge=1, description="invitations of one company that customers disown in 30 days before the operator is told"
    )
    public_mail_domains: tuple[str, ...] = Field(
        (
            "aol.com",
            "att.net",
            "comcast.net",
            "gmail.com",
            "hotmail.com",
            "icloud.com",
            "live.com",
            "msn.com",
            "outlook.com",
            "proton.me",
            "sbcglobal.net",
            "yahoo.com",
        ),
        description="where everybody has an address: a company there is not refused a customer there too: A23",
    )


class Han(Section):
    """Devices of the home area network and messages to them."""

    rep_of_record_exempt: bool | None = Field(
        None,
        description="the REP of record needs no agreement for devices and messages: H8; default: in a sandbox only",
    )
    install_code_keys: Location = Field(
        Path("certs/install-code-keys"),
        description="file with the keys that seal installation codes, one a line, newest first (smt-ws han new-key)",
    )
    text_bytes: int = Field(
        58, ge=1, le=254, description="UTF-8 bytes of a text message: H4; 58 fit into one radio frame"
    )
    start_days_ahead: int = Field(31, ge=1, le=366, description="how far ahead a message may begin")
    join_window_hours: int = Field(
        720, ge=1, description="after Meter Ready: a device that has not joined by then is Add Failed"
    )
    removal_hours: int = Field(72, ge=1, description="a removal without an answer is Remove Failed after this time")
    overdue_hours: int = Field(72, ge=1, description="an add without progress is told to the operator after this time")
    repeat_minutes: float = Field(10, gt=0, description="how long a repeated message gets its first answer")
    keep_install_codes_days: int = Field(
        30, ge=0, description="installation codes of devices that are gone are destroyed after this time"
    )
    targets_per_call: int = Field(500, ge=1, le=5000, description="meters of one message in one call of a TDSP")
    log_days: int = Field(1100, ge=1, le=1100, description="days of the message log that one request may ask for")
    keep_messages_days: int = Field(
        1100, ge=30, description="messages and their log stay so long, three years like agreements: H6, A16"
    )


class Validation(Section):
    """What is checked of every interval day at load (U5): severities, and the figures in the rules' formulas."""

    severities: dict[str, Literal["reject", "flag"]] = Field(
        default_factory=dict, description="by rule code, where the rule's severity may be set"
    )
    take_unprovisioned: tuple[str, ...] = Field(
        (), description="DUNS of TDSPs whose days are taken, and flagged, before the meter is provisioned: U8"
    )
    inactive_wh: int = Field(0, ge=0, description="Wh a day that a premise without service may use")
    pulse_overflow_wh: int = Field(655_350, ge=1, description="Wh an interval: 65,535 pulses of 10 Wh")
    residential_kw: int = Field(96, ge=1, description="highest demand of a home: 240 V x 400 A")
    other_kw: int = Field(2_500, ge=1, description="highest demand of any other premise")
    sum_tolerance_wh: int = Field(1_000, ge=0, description="Wh a day: registers may be read in whole kWh")
    zero_run_intervals: int = Field(
        48, ge=1, description="zeros in a row; 12 hours are longer than the sun feeds a home"
    )
    spike_percent: int = Field(180, ge=1, description="by how much the highest interval may exceed the third highest")
    spike_floor_wh: int = Field(2_500, ge=0, description="no spike below: one appliance more is none")
    usage_factor: float = Field(
        10, gt=1, description="high: more than so many times, low: less than one part in so many"
    )
    usage_floor_wh: int = Field(5_000, ge=0, description="Wh a day: a difference below this is neither high nor low")
    usage_days: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (1, 7), description="days back that a day's usage is compared with"
    )
