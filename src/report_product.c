/*
 * report_product.c
 *
 * What report_product() asks of its arguments beyond those of each report.
 */
#include "loyalty.h"

#include "fmgr.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(loyalty_report_product_require);

enum require_arg
{
	REQUIRE_KIND,
	REQUIRE_TOP,
	REQUIRE_BY
};

/*
 * report_product_require(kind, top, by): true; 22004 or 22023 for arguments
 * that make no report.
 */
Datum
loyalty_report_product_require(PG_FUNCTION_ARGS)
{
	char	   *kind;

	require_argument(fcinfo, REQUIRE_KIND, "kind");
	require_argument(fcinfo, REQUIRE_TOP, "top");
	kind = text_to_cstring(PG_GETARG_TEXT_PP(REQUIRE_KIND));
	if (strcmp(kind, "sku") != 0 && strcmp(kind, "category") != 0 &&
		strcmp(kind, "brand") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("kind must be sku, category or brand")));
	if (PG_GETARG_INT32(REQUIRE_TOP) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("top must be at least 1")));
	if (!PG_ARGISNULL(REQUIRE_BY) &&
		strcmp(text_to_cstring(PG_GETARG_TEXT_PP(REQUIRE_BY)), "tier") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("products are counted by tier only")));
	PG_RETURN_BOOL(true);
}
