/*
 * errors.h
 *
 * The one vocabulary of refusals: SQLSTATE of class LY, name (the receipt's
 * reason) and message.  doc/errors.md lists the same set and a test compares
 * the two.  PostgreSQL's own codes are used where they fit and are not here.
 *
 * A code is a promise: the message may change, code and name may not, and a
 * retired code is never given to something else.
 */
#ifndef LOYALTY_ERRORS_H
#define LOYALTY_ERRORS_H

#define LOYALTY_REFUSALS(X) \
	/* LY0: calls and idempotency */ \
	X(KEY_INVALID, "LY001", "idempotency_key_invalid", \
	  "idempotency key is missing or malformed") \
	X(KEY_REUSED, "LY002", "idempotency_key_reused", \
	  "key or reference was used for another request") \
	X(REF_DUPLICATE, "LY003", "duplicate_ref", \
	  "reference was already used") \
	X(INPUT_TOO_LARGE, "LY004", "input_too_large", \
	  "input is too large") \
	X(REF_INVALID, "LY005", "ref_invalid", \
	  "reference is missing or malformed") \
	X(ITEMS_INVALID, "LY006", "items_invalid", \
	  "items are malformed") \
	X(DATA_INVALID, "LY007", "data_invalid", \
	  "data is malformed") \
	/* LY1: ledger */ \
	X(AMOUNT_NOT_POSITIVE, "LY101", "amount_not_positive", \
	  "amount must be positive") \
	X(AMOUNT_TOO_LARGE, "LY102", "amount_too_large", \
	  "amount is too large") \
	X(AMOUNT_SCALE, "LY103", "amount_scale", \
	  "amount has too many decimals") \
	X(AMOUNT_NOT_FINITE, "LY104", "amount_not_finite", \
	  "amount must be finite") \
	X(UNKNOWN_UNIT, "LY105", "unknown_unit", \
	  "unit does not exist in this programme") \
	X(UNIT_MISMATCH, "LY106", "unit_mismatch", \
	  "unit cannot be used in this way") \
	X(TIME_NOT_FINITE, "LY107", "time_not_finite", \
	  "time must be finite") \
	X(TIME_IN_FUTURE, "LY108", "time_in_future", \
	  "time is too far in the future") \
	X(PERIOD_CLOSED, "LY109", "period_closed", \
	  "time lies in a closed period") \
	X(EXPIRY_IN_PAST, "LY110", "expiry_in_past", \
	  "expiry date has passed") \
	X(PERIOD_INVERTED, "LY111", "period_inverted", \
	  "period ends before it begins") \
	X(INSUFFICIENT_POINTS, "LY120", "insufficient_points", \
	  "available balance is too low") \
	X(ORIGINAL_NOT_FOUND, "LY130", "original_not_found", \
	  "member has no order with this reference") \
	X(REFUND_EXCEEDS, "LY131", "refund_exceeds_original", \
	  "refund exceeds what is left of the order") \
	X(NOT_REVERSIBLE, "LY132", "reversal_not_reversible", \
	  "a refund cannot be refunded") \
	X(JOURNAL_NOT_FOUND, "LY133", "journal_not_found", \
	  "member has no such journal row") \
	X(HOLD_NOT_FOUND, "LY140", "hold_not_found", \
	  "member has no such hold") \
	X(CAPTURE_EXCEEDS, "LY141", "capture_exceeds_hold", \
	  "capture exceeds the hold") \
	X(HOLD_CAPTURED, "LY142", "hold_already_captured", \
	  "hold was already captured") \
	X(HOLD_RELEASED, "LY143", "hold_already_released", \
	  "hold was already released") \
	X(HOLD_EXPIRED, "LY144", "hold_expired", \
	  "hold has timed out") \
	X(HOLD_TTL_INVALID, "LY145", "hold_timeout_invalid", \
	  "time-out of a hold is out of range") \
	X(HOLD_OF_ORDER, "LY146", "hold_of_order", \
	  "hold belongs to a reserved order") \
	X(TRANSFER_TO_SELF, "LY150", "transfer_to_self", \
	  "cannot transfer to the same member") \
	X(REASON_REQUIRED, "LY160", "reason_required", \
	  "a reason is required") \
	X(LEDGER_IMMUTABLE, "LY190", "ledger_immutable", \
	  "the ledger is append-only") \
	X(PERIOD_NOT_OVER, "LY191", "period_not_over", \
	  "period is not over yet") \
	X(PERIOD_CLOSED_ALREADY, "LY192", "period_closed_already", \
	  "period was closed before") \
	/* LY2: coupons and checkout */ \
	X(COUPON_NOT_FOUND, "LY201", "not_found", \
	  "coupon was not found") \
	X(NOT_STARTED, "LY202", "not_started", \
	  "coupon is not valid yet") \
	X(EXPIRED, "LY203", "expired", \
	  "coupon is no longer valid") \
	X(CAMPAIGN_NOT_RUNNING, "LY204", "campaign_not_running", \
	  "campaign of the coupon is not running") \
	X(CODE_MALFORMED, "LY205", "code_malformed", \
	  "code is malformed") \
	X(DISABLED, "LY206", "disabled", \
	  "coupon is disabled") \
	X(NOT_OWNER, "LY207", "not_owner", \
	  "coupon belongs to another member") \
	X(MEMBER_REQUIRED, "LY208", "member_required", \
	  "coupon is for members only") \
	X(RESERVED_BY_OTHER, "LY209", "reserved_by_other", \
	  "coupon is reserved for another order") \
	X(ALREADY_USED, "LY210", "already_used", \
	  "coupon was already used") \
	X(LIMIT_CAMPAIGN, "LY211", "limit_campaign", \
	  "coupon is used up") \
	X(LIMIT_MEMBER, "LY212", "limit_member", \
	  "member has used this coupon as often as he may") \
	X(BUDGET_EXHAUSTED, "LY213", "budget_exhausted", \
	  "budget of the coupon is used up") \
	X(LIMIT_CODE, "LY214", "limit_code", \
	  "code is used up") \
	X(LIMIT_PERIOD, "LY215", "limit_period", \
	  "member has used this coupon as often as he may in this period") \
	X(RESERVATION_REQUIRED, "LY216", "reservation_required", \
	  "coupon must be claimed first") \
	X(STACK_EXCLUSIVE, "LY220", "stack_exclusive", \
	  "coupon cannot be combined with the others") \
	X(MIN_AMOUNT, "LY221", "min_amount", \
	  "amount is too low for the coupon") \
	X(NO_MATCHING_ITEMS, "LY222", "no_matching_items", \
	  "no item is one that the coupon is for") \
	X(CART_INVALID, "LY224", "cart_invalid", \
	  "cart is malformed") \
	X(MAX_AMOUNT, "LY225", "max_amount", \
	  "amount is too high for the coupon") \
	X(MIN_QUANTITY, "LY226", "min_quantity", \
	  "too few pieces for the coupon") \
	X(MAX_QUANTITY, "LY227", "max_quantity", \
	  "too many pieces for the coupon") \
	X(EXCLUDED_ITEMS, "LY228", "excluded_items", \
	  "items are excluded from the coupon") \
	X(STACK_CATEGORY_LIMIT, "LY229", "stack_category_limit", \
	  "order has as many coupons of this kind as it may") \
	X(ALREADY_RETURNED, "LY230", "already_returned", \
	  "coupon was already returned") \
	X(USE_NOT_FOUND, "LY231", "use_not_found", \
	  "member has no such use of a coupon") \
	X(STACK_TOTAL_LIMIT, "LY232", "stack_total_limit", \
	  "order has as many coupons as it may") \
	X(NO_EFFECT, "LY234", "no_effect", \
	  "coupon would have no effect") \
	X(SEGMENT_MISMATCH, "LY235", "segment_mismatch", \
	  "coupon is for other members") \
	X(TIER_MISMATCH, "LY236", "tier_mismatch", \
	  "coupon is for another tier") \
	X(CHANNEL_MISMATCH, "LY237", "channel_mismatch", \
	  "coupon is for another channel") \
	X(STORE_MISMATCH, "LY238", "store_mismatch", \
	  "coupon is for another store") \
	X(FIRST_ORDER_ONLY, "LY239", "first_order_only", \
	  "coupon is for first orders only") \
	X(CODE_SPACE_TOO_SMALL, "LY240", "code_space_too_small", \
	  "codes of this length would be guessed too easily") \
	X(PAYMENT_METHOD, "LY241", "payment_method", \
	  "coupon is for another method of payment") \
	X(CONDITION_NOT_MET, "LY242", "condition_not_met", \
	  "condition of the coupon is not met") \
	X(NOT_CLAIMABLE, "LY243", "not_claimable", \
	  "coupon cannot be claimed") \
	X(NOT_TRANSFERABLE, "LY244", "not_transferable", \
	  "coupon cannot be given to another member") \
	X(NOT_FOR_SALE, "LY245", "not_for_sale", \
	  "coupon has no price") \
	X(PAYABLE_CHANGED, "LY246", "payable_changed", \
	  "the amount to pay is not what was expected") \
	X(CHECKOUT_NOT_FOUND, "LY247", "checkout_not_found", \
	  "member has no such reserved order") \
	X(CHECKOUT_EXPIRED, "LY248", "checkout_expired", \
	  "reservation of the order has timed out") \
	X(CHECKOUT_CLOSED, "LY249", "checkout_closed", \
	  "order was already confirmed or cancelled") \
	X(CODE_TAKEN, "LY250", "code_taken", \
	  "code exists already") \
	X(UNKNOWN_COUPON, "LY251", "unknown_coupon", \
	  "coupon does not exist in this programme") \
	X(UNKNOWN_PACK, "LY252", "unknown_pack", \
	  "pack of coupons does not exist in this programme") \
	/* LY3: stored value */ \
	X(CARD_LIMIT, "LY302", "card_limit", \
	  "more than the card may hold") \
	X(REFUND_EXCEEDS_PRINCIPAL, "LY304", "refund_exceeds_principal", \
	  "refund exceeds the principal that is left") \
	X(CARD_FROZEN, "LY305", "card_frozen", \
	  "card is frozen") \
	X(TOPUP_NOT_FOUND, "LY306", "topup_not_found", \
	  "member has no such top-up") \
	X(TOPUP_NOT_PENDING, "LY307", "topup_not_pending", \
	  "top-up is not pending") \
	X(TOPUP_PENDING, "LY308", "topup_pending", \
	  "top-up is not paid yet") \
	/* LY4: tiers and programmes */ \
	X(PROGRAM_INACTIVE, "LY402", "program_inactive", \
	  "programme is not active") \
	X(PROGRAM_NOT_FOUND, "LY403", "program_not_found", \
	  "programme does not exist") \
	X(UNKNOWN_EVENT, "LY404", "unknown_event", \
	  "event is not known in this programme") \
	X(EVENT_REPEATED, "LY405", "event_repeated", \
	  "event was already recorded on this day") \
	X(UNKNOWN_TIER, "LY406", "unknown_tier", \
	  "tier does not exist in this programme") \
	X(UNKNOWN_CAMPAIGN, "LY407", "unknown_campaign", \
	  "campaign does not exist in this programme") \
	X(UNKNOWN_BENEFIT, "LY408", "unknown_benefit", \
	  "benefit does not exist in this programme") \
	X(UNKNOWN_PLAN, "LY409", "unknown_plan", \
	  "plan does not exist in this programme") \
	X(NOT_ENTITLED, "LY410", "not_entitled", \
	  "member is not entitled to this benefit") \
	X(QUOTA_EXHAUSTED, "LY411", "quota_exhausted", \
	  "quota of this period is used up") \
	X(NOT_IN_WINDOW, "LY412", "not_in_time_window", \
	  "it cannot be used at this time") \
	X(BENEFIT_KIND, "LY413", "benefit_kind_mismatch", \
	  "benefit is not of a kind that allows this") \
	X(VOUCHER_NOT_FOUND, "LY414", "voucher_not_found", \
	  "member has no such voucher to use") \
	X(ALREADY_GIVEN, "LY415", "already_given", \
	  "gift was already given") \
	X(PLAN_HELD, "LY420", "plan_held", \
	  "member holds a plan in this period") \
	X(PLAN_NOT_HELD, "LY421", "plan_not_held", \
	  "member holds no such plan") \
	X(PLAN_NOT_HIGHER, "LY422", "plan_not_higher", \
	  "plan is not higher than the one that is held") \
	X(UNKNOWN_ACTIVITY, "LY430", "unknown_activity", \
	  "kind of activity is not known in this programme") \
	X(VISITOR_JOINED, "LY431", "visitor_joined", \
	  "visitor already belongs to another member") \
	X(UNKNOWN_CHANNEL, "LY440", "unknown_channel", \
	  "channel does not exist in this programme") \
	X(MESSAGE_NOT_FOUND, "LY441", "message_not_found", \
	  "member has no such message") \
	X(MESSAGE_NOT_TAKEN, "LY442", "message_not_taken", \
	  "message was never taken") \
	X(UNKNOWN_AUTOMATION, "LY450", "unknown_automation", \
	  "automation does not exist in this programme") \
	X(RUN_NOT_FOUND, "LY451", "run_not_found", \
	  "member has no such run of an automation") \
	X(AUTOMATION_NOT_READY, "LY452", "automation_not_ready", \
	  "automation is not ready for this") \
	X(BROADCAST_NOT_FOUND, "LY453", "broadcast_not_found", \
	  "broadcast does not exist") \
	X(GUEST_ORDER_DIFFERS, "LY454", "guest_order_differs", \
	  "guest's order was noted with another amount") \
	X(GUEST_ORDER_NOT_FOUND, "LY455", "guest_order_not_found", \
	  "programme has no guest's order with this reference") \
	/* LY5: members and identities */ \
	X(MEMBER_NOT_FOUND, "LY501", "member_not_found", \
	  "member does not exist") \
	X(MEMBER_CLOSED, "LY502", "member_closed", \
	  "member is closed") \
	X(MEMBER_FROZEN, "LY503", "member_frozen", \
	  "member is frozen") \
	X(MEMBER_MERGED, "LY504", "member_merged", \
	  "member was merged into another") \
	X(IDENTITY_MALFORMED, "LY505", "identifier_malformed", \
	  "identity is malformed") \
	X(IDENTITY_TAKEN, "LY506", "identifier_taken", \
	  "identities lead to another member") \
	X(IDENTITY_NOT_FOUND, "LY507", "identifier_not_found", \
	  "member has no such identity") \
	X(STATUS_CONFLICT, "LY508", "status_conflict", \
	  "member is not in a status that allows this") \
	/* LY7: limits and risk */ \
	X(ATTEMPTS_EXHAUSTED, "LY701", "attempts_exhausted", \
	  "too many wrong codes") \
	/* LY8: rules and configuration */ \
	X(RULE_INVALID, "LY801", "rule_invalid", \
	  "configuration is not valid") \
	X(RULE_TOO_COSTLY, "LY805", "rule_too_costly", \
	  "condition could cost too much") \
	X(CONFIG_FIXED, "LY808", "configuration_fixed", \
	  "setting cannot change once it has been used") \
	X(TAG_BY_RULE, "LY809", "tag_by_rule", \
	  "tag is set by its condition") \
	X(SOURCE_INVALID, "LY810", "source_invalid", \
	  "source table cannot be used in this way") \
	X(UNKNOWN_SEGMENT, "LY811", "unknown_segment", \
	  "segment does not exist in this programme") \
	X(SEGMENT_NOT_LIST, "LY812", "segment_not_a_list", \
	  "segment is not a list") \
	/* LY9: internal */ \
	X(INVARIANT_VIOLATED, "LY902", "invariant_violated", \
	  "the books of this member do not agree") \
	X(VERSION_MISMATCH, "LY904", "version_mismatch", \
	  "library and extension differ in version")

typedef enum Refusal
{
	REFUSAL_NONE,
#define REFUSAL_ENUM(name, code, reason, message) REFUSAL_##name,
	LOYALTY_REFUSALS(REFUSAL_ENUM)
#undef REFUSAL_ENUM
} Refusal;

#endif							/* LOYALTY_ERRORS_H */
